"""Reads a server's transaction log: the frames of its files, their checksums, and the order of their transactions.

A file (`FileTxnLog` of ZooKeeper) begins with 16 bytes: magic, version, database. Frames follow: an Adler-32, the
length, the transaction, and a byte "B". Files are allocated ahead: zeros follow the last frame. Each start of a server
begins a file, so a frame that is cut or does not match its checksum ends its own file only, and is reported.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

_FILE: Final = struct.Struct("!4siq")
_FRAME: Final = struct.Struct("!qi")
_TRANSACTION: Final = struct.Struct("!qiqqi")
_MAGIC: Final = b"ZKLG"
_END: Final = 0x42


class Raw(msgspec.Struct, frozen=True, gc=False):
    """A transaction as the leader wrote it: who asked for it, when (ms of the leader's clock), and its body."""

    zxid: int
    session: int
    cxid: int
    time_ms: int
    kind: int
    body: bytes


class TxnLog(msgspec.Struct, frozen=True):
    """What the files hold, in order of zxids; `replaced` were written again, `damage` says where a file ended early."""

    entries: tuple[Raw, ...] = ()
    replaced: int = 0
    damage: tuple[str, ...] = ()


class _DamagedError(Exception):
    """A frame that cannot be read."""


def read(files: Mapping[str, bytes]) -> TxnLog:
    """Read the files by their names, `log.` and the first zxid in hexadecimal; never raises for what they hold."""
    entries: list[Raw] = []
    replaced, damage = 0, []
    for name, content in sorted(files.items(), key=lambda one: first_zxid(one[0])):
        try:
            for raw in _transactions(content):
                before = len(entries)
                while entries and entries[-1].zxid >= raw.zxid:
                    entries.pop()
                replaced += before - len(entries)
                entries.append(raw)
        except _DamagedError as error:
            damage.append(f"{name}: {error}")
    return TxnLog(tuple(entries), replaced, tuple(damage))


def first_zxid(name: str) -> int:
    """The zxid in the name of a log or a snapshot; 0 where there is none."""
    try:
        return int(name.partition(".")[2].partition(".")[0], 16)
    except ValueError:
        return 0


def _transactions(content: bytes) -> Iterator[Raw]:
    if not content.strip(b"\0"):
        return
    if len(content) < _FILE.size or _FILE.unpack_from(content)[0] != _MAGIC:
        raise _DamagedError("it is not a transaction log")
    where = _FILE.size
    while where + _FRAME.size <= len(content):
        checksum, length = _FRAME.unpack_from(content, where)
        if checksum == 0 and length == 0:
            return
        start = where + _FRAME.size
        if length < _TRANSACTION.size or start + length >= len(content):
            raise _DamagedError(f"the transaction at byte {where} is cut off")
        body = content[start : start + length]
        if zlib.adler32(body) != checksum or content[start + length] != _END:
            raise _DamagedError(f"the transaction at byte {where} does not match its checksum")
        session, cxid, zxid, time_ms, kind = _TRANSACTION.unpack_from(body)
        yield Raw(zxid, session, cxid, time_ms, kind, body[_TRANSACTION.size :])
        where = start + length + 1
