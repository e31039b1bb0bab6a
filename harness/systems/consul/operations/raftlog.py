"""Reads the log of a Consul server: raft.db, a bolt database, and the snapshots of raft.

Bucket "logs" has an entry for each index, "conf" the term; both in msgpack (hashicorp/raft-boltdb). A snapshot is a
folder with meta.json and state.bin: a header, and behind it a byte of type and a record, over and over.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from quorate.harness.core.outcome import Broken
from quorate.harness.systems import bolt
from quorate.harness.systems.consul.operations import msgpack
from quorate.harness.systems.consul.operations.msgpack import MsgpackError

_COMMAND, _NOTHING = 0, 1
_KINDS: Final = {
    _NOTHING: "the empty entry of a new leader",
    4: "a barrier",
    5: "a change of the membership",
}
_IGNORABLE: Final = 0x80  # of a type: servers that do not know it pass over it


class Raw(msgspec.Struct, frozen=True, gc=False):
    """An entry: `kind` is the type of its command, -1 for what is raft's own; `says` what that is."""

    index: int
    term: int
    kind: int
    body: Any
    says: str = ""


class RaftLog(msgspec.Struct, frozen=True):
    """What the database holds: entries in order of their indexes, without gaps; `damage` says what cannot be read."""

    entries: tuple[Raw, ...] = ()
    term: int = 0
    damage: str = ""


def read(content: bytes) -> RaftLog:
    """Read raft.db; never raises for what it holds."""
    try:
        items = bolt.items_of(content, b"logs")
        conf = dict(bolt.items_of(content, b"conf"))
    except Broken as error:
        return RaftLog(damage=error.text)
    entries: list[Raw] = []
    damage = ""
    for _, value in items:
        try:
            raw = _entry(value)
        except (MsgpackError, KeyError, TypeError) as error:
            damage = f"the entry behind {entries[-1].index if entries else 0} cannot be read: {error}"
            break
        if entries and raw.index != entries[-1].index + 1:
            damage = f"what follows entry {entries[-1].index} is entry {raw.index}"
            break
        entries.append(raw)
    return RaftLog(tuple(entries), int.from_bytes(conf.get(b"CurrentTerm", b""), "big"), damage)


def _entry(value: bytes) -> Raw:
    found, _ = msgpack.read(value)
    index, term, kind, data = (
        int(found["Index"]),
        int(found["Term"]),
        int(found["Type"]),
        found["Data"] or b"",
    )
    if kind != _COMMAND:
        return Raw(index, term, -1, None, _KINDS.get(kind, f"an entry of raft's type {kind}"))
    body, _ = msgpack.read(data, 1)
    return Raw(index, term, data[0] & ~_IGNORABLE, body)


def snapshot(content: bytes) -> tuple[int, list[tuple[int, Any]]]:
    """Read a state.bin: the last index that it includes, and its records with their types; raises `MsgpackError`."""
    header, at = msgpack.read(content)
    if not isinstance(header, dict) or "LastIndex" not in header:
        raise MsgpackError("it has no header of a snapshot")
    used = len(content.rstrip(b"\0"))
    records = []
    while at < used:
        kind = content[at] & ~_IGNORABLE
        body, at = msgpack.read(content, at + 1)
        records.append((kind, body))
    return int(header["LastIndex"]), records
