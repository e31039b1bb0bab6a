"""Requests that kazoo's codec lacks: persistent watches, containers and nodes with a time to live.

Layouts are those of ZooKeeper's zookeeper.jute, opcodes those of ZooDefs.OpCode. Every record offers what kazoo's do:
`type`, `serialize()` and `deserialize(frame, offset)`.
"""

from __future__ import annotations

import struct
from typing import Any, ClassVar, Final

import msgspec
from kazoo.protocol.serialization import (
    Create,
    Create2,
    Delete,
    Reconfig,
    SetACL,
    SetData,
    Transaction,
    read_string,
    write_buffer,
    write_string,
)
from kazoo.security import OPEN_ACL_UNSAFE

_INT: Final = struct.Struct("!i")
_LONG: Final = struct.Struct("!q")
_CONTAINER, _TTL = 4, 5


class AddWatch(msgspec.Struct, frozen=True):
    """Watch a node persistently, `recursive` with all below it (from 3.6 on)."""

    path: str
    recursive: bool = False
    type: ClassVar[int] = 106

    def serialize(self) -> bytes:
        """AddWatchRequest."""
        return bytes(write_string(self.path)) + _INT.pack(int(self.recursive))

    @staticmethod
    def deserialize(_frame: bytes, _offset: int) -> None:
        """Success carries nothing."""


class RemoveWatches(msgspec.Struct, frozen=True):
    """Remove all watches of this session on a node (from 3.5 on)."""

    path: str
    type: ClassVar[int] = 18

    def serialize(self) -> bytes:
        """RemoveWatchesRequest, of any kind of watch."""
        return bytes(write_string(self.path)) + _INT.pack(3)

    @staticmethod
    def deserialize(_frame: bytes, _offset: int) -> None:
        """Success carries nothing."""


class CreateContainer(msgspec.Struct, frozen=True):
    """Create a node that the servers remove some time after its last child has gone (from 3.5 on)."""

    path: str
    data: bytes
    type: ClassVar[int] = 19

    def serialize(self) -> bytes:
        """CreateRequest with the flag of containers."""
        return _create(self.path, self.data, _CONTAINER)

    @staticmethod
    def deserialize(frame: bytes, offset: int) -> Any:
        """The path of the node made."""
        return read_string(frame, offset)[0]


class CreateTTL(msgspec.Struct, frozen=True):
    """Create a node that the servers remove when it was not written for `ttl_ms` and has no children.

    From 3.5 on, where the servers have `extendedTypesEnabled`.
    """

    path: str
    data: bytes
    ttl_ms: int
    type: ClassVar[int] = 21

    def serialize(self) -> bytes:
        """CreateTTLRequest."""
        return _create(self.path, self.data, _TTL) + _LONG.pack(self.ttl_ms)

    @staticmethod
    def deserialize(frame: bytes, offset: int) -> Any:
        """The path of the node made."""
        return read_string(frame, offset)[0]


def _create(path: str, data: bytes, flags: int) -> bytes:
    access = b"".join(
        _INT.pack(each.perms) + write_string(each.id.scheme) + write_string(each.id.id)
        for each in OPEN_ACL_UNSAFE
    )
    count = _INT.pack(len(OPEN_ACL_UNSAFE))
    return bytes(write_string(path) + write_buffer(data)) + count + access + _INT.pack(flags)


# What changes the tree: a lost answer to any of these leaves the operation unknown.
WRITES: Final = frozenset(
    record.type
    for record in (
        Create,
        Create2,
        Delete,
        SetData,
        SetACL,
        Transaction,
        Reconfig,
        CreateContainer,
        CreateTTL,
    )
)


def outside(record: Any, root: str) -> str | None:
    """Return a node that a request asks for outside of `root`; the creation of a missing parent of it is allowed."""
    if isinstance(record, Transaction):
        return next((node for each in record.operations if (node := outside(each, root)) is not None), None)
    node = getattr(record, "path", None)
    if node is None:  # about the session alone
        return None if record.type in _OF_SESSIONS else type(record).__name__
    above = isinstance(record, Create) and root.startswith(f"{node}/")
    return None if above or f"{node}/".startswith(f"{root}/") else str(node)


# A login, and the end of a session with and without an answer.
_OF_SESSIONS: Final = frozenset({102, -11})
