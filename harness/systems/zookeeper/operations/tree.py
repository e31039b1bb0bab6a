"""Applies transactions as a server of ZooKeeper does (`DataTree`), and proves it by the digest that the leader wrote.

From 3.6 on each transaction in the log carries the digest that the tree must have after it: the sum, modulo 2^64, of a
CRC-32 of each node's path, data and stat (`DigestCalculator`, version 2). Nodes below /zookeeper are local to a server
(quotas, configuration): they are in no digest, and are not compared.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

import msgspec

from quorate.harness.systems.values import told
from quorate.harness.systems.zookeeper.operations.transactions import (
    Close,
    Create,
    Delete,
    SetAcl,
    SetData,
    Step,
    Transaction,
)

_STAT: Final = struct.Struct("!qqqqqiiiq")
_MODULO: Final = (1 << 64) - 1
LOCAL: Final = "/zookeeper"


class Znode(msgspec.Struct, gc=False):
    """A node: its data, and its stat as it is stored (`creations` counts children that were ever made)."""

    data: bytes | None
    czxid: int = 0
    mzxid: int = 0
    pzxid: int = 0
    ctime: int = 0
    mtime: int = 0
    version: int = 0
    creations: int = 0
    aversion: int = 0
    owner: int = 0
    children: int = 0
    digest: int = 0

    def digest_at(self, path: str) -> int:
        """What the node adds to the digest of the tree."""
        if path.startswith(f"{LOCAL}/"):
            return 0
        crc = zlib.crc32(self.data or b"", zlib.crc32(path.encode()))
        stat = (self.czxid, self.mzxid, self.pzxid, self.ctime, self.mtime)
        return zlib.crc32(_STAT.pack(*stat, self.version, self.creations, self.aversion, self.owner), crc)

    def dumped(self) -> list[Any]:
        """The node as a dump of a server has it (`health.dump`): a client sees changes of children, not creations."""
        data = None if self.data is None else told(self.data)
        changes = 2 * self.creations - self.children
        return [data, self.czxid, self.mzxid, self.pzxid, self.version, changes, self.owner]


class Tree:
    """The tree of one server; the root's path is empty. A `snapshot` gives it nodes to begin with."""

    def __init__(self, nodes: dict[str, Znode] | None = None) -> None:
        self.nodes = nodes if nodes is not None else {path: Znode(b"") for path in _FIRST}
        self.digest = 0
        self._owned: dict[int, set[str]] = {}
        for path, node in self.nodes.items():
            node.digest = node.digest_at(path)
            self.digest += node.digest
            if node.owner > 0:
                self._owned.setdefault(node.owner, set()).add(path)
            if path:
                self.nodes[_parent(path)].children += 1

    def apply(self, transaction: Transaction) -> list[str]:
        """Apply it; return the paths of the nodes that it made, wrote or removed."""
        changed: list[str] = []
        for step in transaction.steps:
            changed += self._step(step, transaction)
        return changed

    def matches(self, transaction: Transaction) -> bool | None:
        """Whether the digest is what the leader wrote; None where it wrote none."""
        if transaction.digest is None:
            return None
        return self.digest & _MODULO == transaction.digest & _MODULO

    def dumped(self) -> dict[str, list[Any]]:
        """The tree in the form of a server's dump, without what is local."""
        return {
            path or "/": node.dumped()
            for path, node in self.nodes.items()
            if path != LOCAL and not path.startswith(f"{LOCAL}/")
        }

    def _step(self, step: Step, by: Transaction) -> list[str]:
        """Do one step; return the paths that it changed. What is missing was removed before, as in a fuzzy snapshot."""
        match step:
            case Create(path):
                return [path] if self._create(step, by) else []
            case Delete(path):
                return [path] if self._delete(path, by.zxid) else []
            case Close(session, paths):
                owned = dict.fromkeys([*(paths or ()), *sorted(self._owned.pop(session, ()))])
                return [path for path in owned if self._is_of(path, session) and self._delete(path, by.zxid)]
            case SetData(path) | SetAcl(path):
                node = self.nodes.get("" if path == "/" else path)
                if node is None:
                    return []
                if isinstance(step, SetData):
                    node.data, node.mzxid, node.mtime, node.version = (
                        step.data,
                        by.zxid,
                        by.time_ms,
                        step.version,
                    )
                else:
                    node.aversion = step.version
                self._touched("" if path == "/" else path, node)
                return [path]

    def _is_of(self, path: str, session: int) -> bool:
        node = self.nodes.get(path)
        return node is not None and node.owner == session

    def _create(self, step: Create, by: Transaction) -> bool:
        above = _parent(step.path)
        parent = self.nodes.get(above)
        if parent is None:
            return False
        exists = step.path in self.nodes
        version = parent.creations + 1 if step.parent_version == -1 else step.parent_version
        # In a fuzzy snapshot the parent may be ahead of the child.
        if version > parent.creations:
            parent.creations, parent.pzxid = version, by.zxid
        if not exists:
            times = {"ctime": by.time_ms, "mtime": by.time_ms}
            node = Znode(step.data, by.zxid, by.zxid, by.zxid, **times, owner=step.owner)
            self.nodes[step.path] = node
            parent.children += 1
            if step.owner > 0:
                self._owned.setdefault(step.owner, set()).add(step.path)
            self._touched(step.path, node)
        self._touched(above, parent)
        return not exists

    def _delete(self, path: str, zxid: int) -> bool:
        above = _parent(path)
        parent, node = self.nodes.get(above), self.nodes.pop(path, None)
        if parent is not None:
            parent.pzxid = max(parent.pzxid, zxid)
            parent.children -= node is not None
            self._touched(above, parent)
        if node is None:
            return False
        self.digest -= node.digest
        self._owned.get(node.owner, set()).discard(path)
        return True

    def _touched(self, path: str, node: Znode) -> None:
        digest = node.digest_at(path)
        self.digest += digest - node.digest
        node.digest = digest


_FIRST: Final = ("", LOCAL, f"{LOCAL}/quota", f"{LOCAL}/config")


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
