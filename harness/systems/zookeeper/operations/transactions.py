"""What a transaction of ZooKeeper's log does to the tree: decoded (zookeeper.jute), and in words."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from quorate.harness.systems.values import text
from quorate.harness.systems.zookeeper.operations.jute import Cursor, JuteError
from quorate.harness.systems.zookeeper.operations.txnlog import Raw

_VALUE_MAX: Final = 60
_CONTAINER: Final = -(1 << 63)
_TTL: Final = -(1 << 56)  # the highest byte of the owner marks a node with a time to live
_TTL_MASK: Final = (1 << 40) - 1


class _Kind(IntEnum):
    """ZooDefs.OpCode, as far as it is logged."""

    CREATE_SESSION = -10
    CLOSE_SESSION = -11
    ERROR = -1
    CREATE = 1
    DELETE = 2
    SET_DATA = 5
    SET_ACL = 7
    CHECK = 13
    MULTI = 14
    CREATE2 = 15
    RECONFIG = 16
    CREATE_CONTAINER = 19
    DELETE_CONTAINER = 20
    CREATE_TTL = 21


class Create(msgspec.Struct, frozen=True, gc=False):
    """Make a node; `owner` as in its stat, `parent_version` is the parent's number of creations with this one."""

    path: str
    data: bytes | None
    owner: int
    parent_version: int


class Delete(msgspec.Struct, frozen=True, gc=False):
    """Remove a node."""

    path: str


class SetData(msgspec.Struct, frozen=True, gc=False):
    """Write a node, which then has this version."""

    path: str
    data: bytes | None
    version: int


class SetAcl(msgspec.Struct, frozen=True, gc=False):
    """Change who may do what with a node."""

    path: str
    version: int


class Close(msgspec.Struct, frozen=True, gc=False):
    """End a session: these nodes go, and whatever else is ephemeral and its own. `paths` is None before 3.6."""

    session: int
    paths: tuple[str, ...] | None


Step = Create | Delete | SetData | SetAcl | Close


class Transaction(msgspec.Struct, frozen=True):
    """A transaction: its steps, and why there are none. `digest` is that of the tree after it, from 3.6 on."""

    zxid: int
    time_ms: int
    action: str
    steps: tuple[Step, ...] = ()
    refused: str = ""
    digest: int | None = None
    known: bool = True


def decoded(raw: Raw) -> Transaction:
    """Decode a transaction; one that is not understood is not `known`."""
    cursor = Cursor(raw.body)
    try:
        kind = _Kind(raw.kind)
        steps, action, refused = _decoded(kind, raw.session, cursor)
        digest = _digest(cursor)
    except (JuteError, ValueError) as error:
        return Transaction(raw.zxid, raw.time_ms, f"a transaction of type {raw.kind} ({error})", known=False)
    return Transaction(raw.zxid, raw.time_ms, action, steps, refused, digest)


def _decoded(kind: _Kind, session: int, cursor: Cursor) -> tuple[tuple[Step, ...], str, str]:
    """The steps, the words, and why it was refused."""
    match kind:
        case _Kind.CREATE_SESSION:
            return (), f"open session 0x{session:x} with a timeout of {cursor.number()} ms", ""
        case _Kind.CLOSE_SESSION:
            return _closed(session, cursor)
        case _Kind.ERROR:
            reason = _error(cursor.number())
            return (), f"a request of session 0x{session:x}", reason
        case _Kind.MULTI:
            return _multi(session, cursor)
        case _Kind.CHECK:
            return (), f"check that {cursor.string()} has version {cursor.number()}", ""
        case _:
            step = _step(kind, session, cursor)
            return (step,), said(step), ""


def _closed(session: int, cursor: Cursor) -> tuple[tuple[Step, ...], str, str]:
    # Before 3.6 nothing follows the header.
    paths = None if cursor.ended else tuple(cursor.string() for _ in range(cursor.count()))
    close = Close(session, paths)
    return (close,), said(close), ""


def _multi(session: int, cursor: Cursor) -> tuple[tuple[Step, ...], str, str]:
    steps: list[Step] = []
    words: list[str] = []
    refused = ""
    for _ in range(cursor.count()):
        kind, body = _Kind(cursor.number()), Cursor(cursor.buffer() or b"")
        found, action, reason = _decoded(kind, session, body)
        steps += found
        words.append(action)
        # All of a multi fails with one of its operations; the first that says why is the one.
        refused = refused or (reason if kind is _Kind.ERROR else "")
    if refused:
        return (), f"a multi of session 0x{session:x}", refused
    return tuple(steps), f"multi: {', '.join(words)}", ""


def _step(kind: _Kind, session: int, cursor: Cursor) -> Step:
    path = cursor.string()
    match kind:
        case _Kind.DELETE | _Kind.DELETE_CONTAINER:
            return Delete(path)
        case _Kind.SET_DATA | _Kind.RECONFIG:
            return SetData(path, cursor.buffer(), cursor.number())
        case _Kind.SET_ACL:
            cursor.skip_acl()
            return SetAcl(path, cursor.number())
        case _Kind.CREATE | _Kind.CREATE2:
            data = cursor.buffer()
            cursor.skip_acl()
            owner = session if cursor.boolean() else 0
            return Create(path, data, owner, cursor.number())
        case _Kind.CREATE_CONTAINER | _Kind.CREATE_TTL:
            data = cursor.buffer()
            cursor.skip_acl()
            version = cursor.number()
            owner = _CONTAINER if kind is _Kind.CREATE_CONTAINER else _TTL | (cursor.long() & _TTL_MASK)
            return Create(path, data, owner, version)
        case _:
            raise JuteError(f"type {kind} does not stand in a multi")


def _digest(cursor: Cursor) -> int | None:
    """The digest behind the transaction: its version, and what it is."""
    if cursor.ended:
        return None
    version, digest = cursor.number(), cursor.long()
    return digest if version == _DIGEST_VERSION else None


_DIGEST_VERSION: Final = 2


def said(step: Step) -> str:
    """A step in words."""
    match step:
        case Create(path, data, owner):
            return f"create {_owned(owner)}{path} = {_short(data)}"
        case Delete(path):
            return f"delete {path}"
        case SetData(path, data):
            return f"set {path} = {_short(data)}"
        case SetAcl(path):
            return f"set the permissions of {path}"
        case Close(session, paths):
            nodes = f", which removes {', '.join(paths)}" if paths else ""
            return f"close session 0x{session:x}{nodes}"


def _owned(owner: int) -> str:
    if owner == 0:
        return ""
    if owner == _CONTAINER:
        return "container "
    return "with a time to live " if owner < 0 else f"ephemeral of session 0x{owner:x} "


def _short(data: bytes | None) -> str:
    shown = text(data).rstrip()
    return shown if len(shown) <= _VALUE_MAX else shown[: _VALUE_MAX - 1] + "…"


_ERRORS: Final = {
    -3: "a runtime inconsistency",
    -8: "bad arguments",
    -101: "the node does not exist",
    -102: "not authorized",
    -103: "the version is another",
    -108: "an ephemeral node has no children",
    -110: "the node exists",
    -111: "the node has children",
    -112: "the session has expired",
    -118: "the session moved",
    -125: "the quota is exceeded",
}


def _error(code: int) -> str:
    return _ERRORS.get(code, f"error {code}") if code else ""
