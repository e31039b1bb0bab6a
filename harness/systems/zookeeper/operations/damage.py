"""Where ZooKeeper's disk can be corrupted: its transaction log and its snapshots."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final

from quorate.harness.core.damage import Corruption, content, flipped, newest
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken

_KINDS: Final[Mapping[str, str]] = {
    "log-tail": "the last bytes of the transaction log are zero, as a torn write leaves them",
    "log-bit": "one bit of a transaction in the log is wrong",
    "log-cut": "the transaction log ends early",
    "snap-bit": "one bit of the newest snapshot is wrong (an older one is taken, though the log may not reach back)",
}
# Every transaction has a checksum, and a log may end anywhere.
_USUAL: Final = ("log-tail", "log-bit", "log-cut")
_HEADER: Final = 16  # magic, version, database id
# The Adler-32 of a transaction and its length; the transaction and a byte "B" follow.
_RECORD: Final = struct.Struct("!qi")


class DamageOfZooKeeper:
    """Finds the place; `data` is the server's data directory."""

    kinds = _KINDS
    usual = _USUAL

    def __init__(self, data: Callable[[Node], str]) -> None:
        self._data = data

    def folder_to_empty(self, node: Node) -> str:
        """Return what ZooKeeper's administrator's guide says to empty, with all others up ("file corruption")."""
        return f"{self._data(node)}/version-2"

    async def find(self, node: Node, kind: str, at: float, size: int) -> Corruption:
        """Look into the server's files as they are now."""
        folder = self.folder_to_empty(node)
        if kind == "snap-bit":
            path = await newest(node, f"{folder}/snapshot.*")
            data = await content(node, path)
            return flipped(path, data, int(at * len(data)))
        path = await newest(node, f"{folder}/log.*")
        data = await content(node, path)
        transactions = _transactions(data)
        if not transactions:
            raise Broken("no-such-file", f"{path} on {node.name} holds no transactions yet")
        start, length = transactions[int(at * len(transactions))]
        used = sum(transactions[-1]) + 1
        if kind == "log-tail":
            size = min(size, used - _HEADER)
            return Corruption(path, used - size, bytes(size), f"the last {size} of {used} bytes are zero")
        if kind == "log-cut":
            offset = start + length // 2
            return Corruption(
                path, offset, None, f"cut off at {offset} of {used} bytes, within a transaction"
            )
        return flipped(path, data[:used], start + length // 2)


def _transactions(data: bytes) -> list[tuple[int, int]]:
    """Return offset and length of every transaction of a log; zeros that were allocated ahead follow the last."""
    found = []
    where = _HEADER
    while where + _RECORD.size < len(data):
        _, length = _RECORD.unpack_from(data, where)
        start = where + _RECORD.size
        if length <= 0 or start + length >= len(data):
            break
        found.append((start, length))
        where = start + length + 1
    return found
