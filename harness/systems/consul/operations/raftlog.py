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
from quorate.harness.systems.consul.operations.records import Body, Held, body_of, held_of

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
    body: Body
    says: str = ""


class RaftLog(msgspec.Struct, frozen=True):
    """What the database holds: entries in order of their indexes, without gaps; `damage` says what cannot be read."""

    entries: tuple[Raw, ...] = ()
    term: int = 0
    damage: str = ""


class _Log(msgspec.Struct, frozen=True, rename="pascal"):
    """An entry as hashicorp/raft has it."""

    index: int
    term: int
    type: int
    data: bytes | None = None


class _Header(msgspec.Struct, frozen=True, rename="pascal"):
    """What a state.bin begins with."""

    last_index: int


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
        behind = entries[-1].index if entries else 0
        try:
            raw = _entry(value)
        except ValueError as error:
            damage = f"the entry behind {behind} cannot be read: {error}"
            break
        if entries and raw.index != behind + 1:
            damage = f"what follows entry {behind} is entry {raw.index}"
            break
        entries.append(raw)
    return RaftLog(tuple(entries), int.from_bytes(conf.get(b"CurrentTerm", b""), "big"), damage)


def _entry(value: bytes) -> Raw:
    log = msgspec.convert(msgpack.read(value)[0], _Log)
    if log.type != _COMMAND:
        return Raw(log.index, log.term, -1, None, _KINDS.get(log.type, f"an entry of raft's type {log.type}"))
    data = log.data or b""
    body, _ = msgpack.read(data, 1)
    kind = data[0] & ~_IGNORABLE
    return Raw(log.index, log.term, kind, body_of(kind, body))


def snapshot(content: bytes) -> tuple[int, list[Held]]:
    """Read a state.bin: the last index that it includes, its keys and its sessions; raises `ValueError`."""
    header, at = msgpack.read(content)
    last = msgspec.convert(header, _Header).last_index
    used = len(content.rstrip(b"\0"))
    found = []
    while at < used:
        kind = content[at] & ~_IGNORABLE
        value, at = msgpack.read(content, at + 1)
        held: Any = held_of(kind, value)
        if held is not None:
            found.append(held)
    return last, found
