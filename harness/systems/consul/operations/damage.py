"""Where the disk of a Consul server can be corrupted: raft's log, which is a bolt database, and raft's snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from quorate.harness.core.damage import Corruption, content, flipped, newest
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.systems import bolt

_KINDS: Final[Mapping[str, str]] = {
    "db-meta": "one bit of the newer of raft.db's two meta pages is wrong, as a torn commit leaves it",
    "db-cut": "raft.db ends early, within the pages that are in use",
    "snap-bit": "one bit of the newest snapshot is wrong (needs one: --set snapshot_threshold=100)",
    "db-bit": "one bit of an entry of raft's log is wrong: Consul has no checksum there",
}
_USUAL: Final = ("db-meta", "db-cut")
_NEWEST: Final = 0.9  # entries of this part of the log are in no snapshot, most likely


class DamageOfConsul:
    """Finds the place; `data` is the server's data directory."""

    kinds = _KINDS
    usual = _USUAL  # what bolt notices: meta pages have checksums, and say how many pages there are

    def __init__(self, data: Callable[[Node], str]) -> None:
        self._data = data

    def folder_to_empty(self, node: Node) -> None:  # noqa: ARG002 - the interface's signature
        """Return None: raft's peers do not trust a voter that lost its log; it is removed, and joins again."""
        return

    async def find(self, node: Node, kind: str, at: float, size: int) -> Corruption:  # noqa: ARG002 - as above
        """Look into the server's files as they are now."""
        raft = f"{self._data(node)}/raft"
        if kind == "snap-bit":
            path = await newest(node, f"{raft}/snapshots/*/state.bin")
            data = await content(node, path)
            return flipped(path, data, int(at * len(data)))
        path = f"{raft}/raft.db"
        data = await content(node, path)
        meta = bolt.newest_meta(data)
        if kind == "db-meta":
            return flipped(path, data, meta.offset + bolt.META_ROOT)
        if kind == "db-cut":
            used = meta.pages * meta.page_size
            offset = int(at * used)
            return Corruption(path, offset, None, f"cut off at {offset} of {used} bytes in use")
        entries = bolt.values_of(data, b"logs")
        if not entries:
            raise Broken("no-such-file", f"{path} on {node.name} holds no entries yet")
        first = int(_NEWEST * len(entries))
        start, length = entries[first + int(at * (len(entries) - first))]
        return flipped(path, data, start + length // 2)
