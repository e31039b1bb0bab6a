"""Reads a snapshot of a server: the nodes of its tree, as they were while it was written.

A file (`FileSnap` of ZooKeeper) begins like a transaction log; sessions follow, then permissions, then the nodes, up to
a node called "/", and an Adler-32 of all before it. The tree may change meanwhile: the transactions behind the zxid in
the file's name must be applied again, those of them that are in the snapshot already included.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from quorate.harness.systems.zookeeper.operations.jute import Cursor, JuteError
from quorate.harness.systems.zookeeper.operations.tree import Znode

_FILE: Final = struct.Struct("!4siq")
_MAGIC: Final = b"ZKSN"
_NODES_MAX: Final = 1_000_000


def read(content: bytes) -> dict[str, Znode]:
    """Read the nodes by their paths (the root's is empty); raise `JuteError` for what is not a whole snapshot."""
    if len(content) < _FILE.size or _FILE.unpack_from(content)[0] != _MAGIC:
        raise JuteError("it is not a snapshot, or it is compressed")
    cursor = Cursor(content, _FILE.size)
    for _ in range(cursor.count()):
        cursor.long()  # a session
        cursor.number()  # and its timeout
    for _ in range(cursor.count()):
        cursor.long()
        cursor.skip_acl()
    nodes: dict[str, Znode] = {}
    while len(nodes) < _NODES_MAX:
        path = cursor.string()
        if path == "/":
            break
        nodes[path] = _node(cursor)
    checked = cursor.at
    if zlib.adler32(content[:checked]) != cursor.long():
        raise JuteError("it does not match its checksum")
    if "" not in nodes or any(path.rpartition("/")[0] not in nodes for path in nodes if path):
        raise JuteError("a node has no parent")
    return nodes


def _node(cursor: Cursor) -> Znode:
    data = cursor.buffer()
    cursor.long()  # the permissions
    czxid, mzxid, ctime, mtime = cursor.long(), cursor.long(), cursor.long(), cursor.long()
    version, creations, aversion = cursor.number(), cursor.number(), cursor.number()
    owner, pzxid = cursor.long(), cursor.long()
    return Znode(data, czxid, mzxid, pzxid, ctime, mtime, version, creations, aversion, owner)
