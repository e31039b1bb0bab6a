"""Where etcd's disk can be corrupted: its write-ahead log, its snapshots, and its database's pages that hold keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from quorate.harness.core.damage import Corruption, content, flipped, newest
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.systems.bolt import values_of

_KINDS: Final[Mapping[str, str]] = {
    "wal-tail": "the last bytes of the write-ahead log are zero, as a torn write leaves them",
    "wal-bit": "one bit of the write-ahead log is wrong",
    "wal-cut": "the write-ahead log ends early",
    "snap-bit": "one bit of the newest raft snapshot is wrong (needs one: --set snapshot_count=50)",
    "db-bit": "one bit of a value in the database is wrong: etcd has no checksum there unless set to compare members",
}
_USUAL: Final = ("wal-tail", "wal-bit", "wal-cut")
_FRAME: Final = 64  # bytes at the beginning of a log that say whose it is
_FRAME_FIELD: Final = 8
_LENGTH_BITS: Final = (1 << 56) - 1
_LEAST: Final = 12  # a key and a value; a deletion leaves less
_NEWEST: Final = 0.9  # values of this part of the database are still read


class DamageOfEtcd:
    """Finds the place; `data` is the member's data directory."""

    kinds = _KINDS
    usual = _USUAL  # what etcd promises to notice or survive: every record of the log has a checksum

    def __init__(self, data: Callable[[Node], str]) -> None:
        self._data = data

    def folder_to_empty(self, node: Node) -> None:  # noqa: ARG002 - the interface's signature
        """Return None: a member that lost its disk must be removed, and added as another."""
        return

    async def find(self, node: Node, kind: str, at: float, size: int) -> Corruption:
        """Look into the member's files as they are now."""
        member = f"{self._data(node)}/member"
        pattern = {"snap-bit": f"{member}/snap/*.snap", "db-bit": f"{member}/snap/db"}.get(
            kind, f"{member}/wal/*.wal"
        )
        path = await newest(node, pattern)
        data = await content(node, path)
        used = len(data.rstrip(b"\0"))
        if used <= _FRAME:
            raise Broken("no-such-file", f"{path} on {node.name} is empty yet")
        if kind == "wal-tail":
            size = min(size, used - _FRAME)
            return Corruption(path, used - size, bytes(size), f"the last {size} of {used} bytes are zero")
        offset = _FRAME + int(at * (used - _FRAME))
        if kind == "wal-cut":
            return Corruption(path, offset, None, f"cut off at {offset} of {used} bytes")
        if kind == "db-bit":
            offset = _in_value(data, at)
        if kind == "wal-bit":
            offset = _in_record(data, at)
        return flipped(path, data[:used], offset)


def _in_value(data: bytes, at: float) -> int:
    """Return the last byte of one of the newest values: the stored value itself, where it has no lease."""
    values = [(start, length) for start, length in values_of(data, b"key") if length > _LEAST]
    if not values:
        raise Broken("no-such-file", "the database holds no values yet")
    first = int(_NEWEST * len(values))
    start, length = values[min(len(values) - 1, first + int(at * (len(values) - first)))]
    return start + length - 1


def _in_record(data: bytes, at: float) -> int:
    """Return a byte within a record of the log: its frames are filled up to eight bytes, and no checksum covers that.

    A frame (server/storage/wal/encoder.go): 56 bits of length and 8 of padding, little-endian; the record; the padding.
    """
    records: list[int] = []
    where = 0
    while where + _FRAME_FIELD <= len(data):
        field = int.from_bytes(data[where : where + _FRAME_FIELD], "little")
        length, padding = field & _LENGTH_BITS, (field >> 56) & 0x7
        if length == 0:
            break
        records.append(where + _FRAME_FIELD + length // 2)
        where += _FRAME_FIELD + length + padding
    if not records:
        raise Broken("no-such-file", "the log holds no records yet")
    return records[int(at * len(records))]
