"""Commands of Consul's log as its codec writes them (agent/structs), as far as keys and sessions depend on them."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import msgspec


class Kind(IntEnum):
    """Types of commands."""

    REGISTER = 0
    DEREGISTER = 1
    KVS = 2
    SESSION = 3
    TXN = 8


class _Record(msgspec.Struct, frozen=True, rename="pascal"):
    """A map with the names of Go's fields; texts are bytes (`msgpack`)."""


class DirEntry(_Record, frozen=True):
    """A key as it is asked for, or as a snapshot holds it."""

    key: bytes = b""
    value: bytes | None = None
    flags: int = 0
    lock_index: int = 0
    session: bytes | None = None
    create_index: int = 0
    modify_index: int = 0


class KvsRequest(_Record, frozen=True):
    """One operation on a key."""

    op: bytes
    dir_ent: DirEntry


class KvOperation(_Record, frozen=True):
    """The same within a transaction."""

    verb: bytes
    dir_ent: DirEntry


class TxnOperation(_Record, frozen=True):
    """An operation of a transaction; `kv` is None for one of the catalogue or of sessions."""

    kv: KvOperation | None = msgspec.field(default=None, name="KV")


class TxnRequest(_Record, frozen=True):
    """Operations that are done together or not at all."""

    ops: list[TxnOperation] | None = None


class SessionRecord(_Record, frozen=True):
    """A session; older releases name the checks that it ends with `Checks`."""

    id: bytes = msgspec.field(name="ID")
    node: bytes | None = None
    checks: list[bytes] | None = None
    node_checks: list[bytes] | None = None
    behavior: bytes | None = None


class SessionRequest(_Record, frozen=True):
    """A session is opened ("create") or ended ("destroy")."""

    op: bytes
    session: SessionRecord


class Check(_Record, frozen=True):
    """A check of a node, and how it is."""

    check_id: bytes = msgspec.field(name="CheckID")
    status: bytes | None = None


class Service(_Record, frozen=True):
    """A service, by its name."""

    service: bytes | None = None


class RegisterRequest(_Record, frozen=True):
    """A node, a service or checks are entered in the catalogue."""

    node: bytes | None = None
    service: Service | None = None
    check: Check | None = None
    checks: list[Check] | None = None


class DeregisterRequest(_Record, frozen=True):
    """A check, a service or else the whole node is removed from the catalogue."""

    node: bytes | None = None
    service_id: bytes | None = msgspec.field(default=None, name="ServiceID")
    check_id: bytes | None = msgspec.field(default=None, name="CheckID")


Body = KvsRequest | TxnRequest | SessionRequest | RegisterRequest | DeregisterRequest | None
Held = DirEntry | SessionRecord

_BODIES: Final = {
    Kind.REGISTER: RegisterRequest,
    Kind.DEREGISTER: DeregisterRequest,
    Kind.KVS: KvsRequest,
    Kind.SESSION: SessionRequest,
    Kind.TXN: TxnRequest,
}
_HELD: Final = {Kind.KVS: DirEntry, Kind.SESSION: SessionRecord}


def body_of(kind: int, value: Any) -> Body:
    """Return the command of a type; None for one that touches neither keys nor sessions. Raises `ValueError`."""
    form = _BODIES.get(kind)  # type: ignore[call-overload]
    return None if form is None else msgspec.convert(value, form)


def held_of(kind: int, value: Any) -> Held | None:
    """Return what a record of a snapshot holds; None for what is neither a key nor a session. Raises `ValueError`."""
    form = _HELD.get(kind)  # type: ignore[call-overload]
    return None if form is None else msgspec.convert(value, form)
