"""Reads a member's write-ahead log: the frames of its segments, their checksums, and what raft made of the entries.

A segment (server/storage/wal of etcd) is a row of frames: 56 bits of length and 8 of padding, little-endian; a
`Record`; the padding up to eight bytes. The checksum of a record (CRC-32 of Castagnoli) covers all data of the chain up
to it; the first record of a segment carries the one that the segment before ended with. Segments are preallocated:
zeros follow the last frame. A frame that is cut or does not match its checksum ends the reading, and is reported: a
member that was killed in the middle of a write leaves one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError

from quorate.harness.systems.etcd.protocol import pb

_FIELD: Final = 8
_LENGTH_BITS: Final = (1 << 56) - 1
_PADDING_BITS: Final = 0x7
_CASTAGNOLI: Final = 0x82F63B78
_ALL: Final = 0xFFFFFFFF


class _Kind(IntEnum):
    METADATA = 1
    ENTRY = 2
    STATE = 3
    CRC = 4
    SNAPSHOT = 5


class Raw(msgspec.Struct, frozen=True, gc=False):
    """An entry as raft keeps it; `kind` is 0 for a request, 1 or 2 for a change of the membership."""

    index: int
    term: int
    kind: int
    data: bytes


class Wal(msgspec.Struct, frozen=True):
    """What the segments hold: entries in order of their indexes, those that a later leader replaced left out.

    `term` and `commit` are the last that the member saved, `snapshot` the index of its newest snapshot of the state.
    `replaced` counts the entries that were overwritten, `damage` says where and why the reading ended early.
    """

    member: int | None = None
    entries: tuple[Raw, ...] = ()
    term: int = 0
    commit: int = 0
    snapshot: int = 0
    replaced: int = 0
    damage: str = ""


class _DamagedError(Exception):
    """A frame that cannot be read."""


def read(segments: Mapping[str, bytes]) -> Wal:
    """Read the segments, by the names of their files (which sort by their order); never raises for what they hold."""
    reading = _Reading()
    crc = 0
    for name, content in sorted(segments.items()):
        try:
            for kind, data, upto in _records(content, crc):
                reading.take(kind, data)
                crc = upto
        except (_DamagedError, DecodeError) as error:
            return reading.wal(f"{name}: {error}")
    return reading.wal("")


class _Reading:
    """What was read so far."""

    def __init__(self) -> None:
        self._member: int | None = None
        self._entries: list[Raw] = []
        self._state: Any = pb.HardState()
        self._snapshot = 0
        self._replaced = 0

    def take(self, kind: int, data: bytes) -> None:
        """Take one record."""
        match kind:
            case _Kind.METADATA:
                self._member = int(pb.Metadata.FromString(data).NodeID)
            case _Kind.ENTRY:
                self._append(pb.Entry.FromString(data))
            case _Kind.STATE:
                self._state = pb.HardState.FromString(data)
            case _Kind.SNAPSHOT:
                self._snapshot = max(self._snapshot, int(pb.Snapshot.FromString(data).index))
            case _:
                pass

    def _append(self, entry: Any) -> None:
        """Append; an entry at an index that is there replaces it and all that follow, as a new leader wants it."""
        entries = self._entries
        before = len(entries)
        while entries and entries[-1].index >= entry.Index:
            entries.pop()
        self._replaced += before - len(entries)
        entries.append(Raw(int(entry.Index), int(entry.Term), int(entry.Type), entry.Data))

    def wal(self, damage: str) -> Wal:
        """Return it all."""
        state = self._state
        return Wal(
            self._member,
            tuple(self._entries),
            int(state.term),
            int(state.commit),
            self._snapshot,
            self._replaced,
            damage,
        )


def _records(content: bytes, crc: int) -> Iterator[tuple[int, bytes, int]]:
    """Yield the kind and data of each record, and the checksum up to it; raise `_DamagedError` at the first bad one."""
    where = 0
    while where + _FIELD <= len(content):
        field = int.from_bytes(content[where : where + _FIELD], "little")
        if field == 0:
            return
        length = field & _LENGTH_BITS
        padding = (field >> 56) & _PADDING_BITS if field >> 63 else 0
        end = where + _FIELD + length
        if end + padding > len(content):
            raise _DamagedError(f"the record at byte {where} is cut off")
        try:
            record = pb.Record.FromString(content[where + _FIELD : end])
        except DecodeError as error:
            raise _DamagedError(f"the record at byte {where} cannot be read") from error
        if record.type == _Kind.CRC:
            if crc not in {0, record.crc}:
                raise _DamagedError(f"it does not follow from the segment before it (byte {where})")
            crc = record.crc
        else:
            crc = crc32c(record.data, crc)
            if crc != record.crc:
                raise _DamagedError(f"the record at byte {where} does not match its checksum")
        yield record.type, record.data, crc
        where = end + padding


def crc32c(data: bytes, crc: int = 0) -> int:
    """Continue a CRC-32 of Castagnoli's polynomial over more data."""
    crc ^= _ALL
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ _ALL


def _table() -> Sequence[int]:
    rows = []
    for row in range(256):
        crc = row
        for _ in range(8):
            crc = (crc >> 1) ^ (_CASTAGNOLI if crc & 1 else 0)
        rows.append(crc)
    return rows


_TABLE: Final = _table()
