"""What an entry of Consul's log asks for: its keys and values, and all of it in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from quorate.harness.core.memberlog import Change
from quorate.harness.systems.consul.operations.raftlog import Raw
from quorate.harness.systems.consul.operations.replaying import Kind, text

_ROOT: Final = "quorate/"
_VALUE_MAX: Final = 60
_WRITES: Final = frozenset({"set", "cas", "lock", "unlock"})
_OTHERS: Final = {
    4: "a change of access rules",
    5: "reap tombstones",
    6: "an update of coordinates",
    7: "a prepared query",
    9: "a setting of autopilot",
}


def asked(raw: Raw) -> tuple[Change, ...]:
    """The changes that the entry asks for, whatever its conditions."""
    found = []
    for verb, given in _operations(raw):
        key = text(given.get("Key"))
        if verb in _WRITES:
            value = given.get("Value")
            found.append(change_of(key, value if isinstance(value, bytes) else None))
        elif verb in {"delete", "delete-cas"}:
            found.append(change_of(key, None))
    return tuple(found)


def _operations(raw: Raw) -> list[tuple[str, Mapping[str, Any]]]:
    """The operations on keys, as (verb, record); empty for what has none, or is not as it should be."""
    body = raw.body
    try:
        if raw.kind == Kind.KVS:
            return [(text(body["Op"]), body["DirEnt"])] if isinstance(body["DirEnt"], dict) else []
        if raw.kind == Kind.TXN:
            kvs = [one["KV"] for one in body["Ops"] or () if one.get("KV")]
            return [(text(kv["Verb"]), kv["DirEnt"]) for kv in kvs if isinstance(kv["DirEnt"], dict)]
    except (KeyError, TypeError, AttributeError):
        pass
    return []


def change_of(key: str, value: bytes | None) -> Change:
    """A changed key in the words of the client that changed it (`harness/systems/consul/client`)."""
    if not key.startswith(_ROOT):
        return Change("", key, _value(value))
    space, _, rest = key.removeprefix(_ROOT).partition("/")
    if space in _NESTED:
        rest = rest.rpartition("/")[0]
    return Change(space, rest, _value(value))


# Of these every element has a key below that of the whole.
_NESTED: Final = frozenset({"set"})


def _value(stored: bytes | None) -> Any:
    if not stored:
        return None
    try:
        return msgspec.json.decode(stored)
    except (msgspec.DecodeError, RecursionError):
        return text(stored)


def said(raw: Raw) -> str:
    """The entry in words: `set quorate/register/k0 = 7`. Raft's log has no checksums: anything may be in it."""
    try:
        return _words(raw)
    except (KeyError, TypeError, ValueError, AttributeError):
        return f"an entry of type {raw.kind} that cannot be read"


def _words(raw: Raw) -> str:
    operations = [_said(verb, given) for verb, given in _operations(raw)]
    match raw.kind:
        case Kind.KVS | Kind.TXN if operations:
            return operations[0] if len(operations) == 1 else f"transaction: {', '.join(operations)}"
        case Kind.SESSION:
            session = raw.body.get("Session") or {}
            what = "open" if text(raw.body.get("Op")) == "create" else "end"
            return f"{what} session {text(session.get('ID'))}"
        case Kind.REGISTER | Kind.DEREGISTER:
            what = "register" if raw.kind == Kind.REGISTER else "remove"
            return f"{what} {_registered(raw.body)} of node {text(raw.body.get('Node'))}"
        case _:
            return raw.says or _OTHERS.get(raw.kind, f"an entry of type {raw.kind}")


def _registered(body: Mapping[str, Any]) -> str:
    service = body.get("Service")
    name = text(service.get("Service")) if isinstance(service, dict) else text(body.get("ServiceID"))
    check = text(body.get("CheckID"))
    return f"service {name}" if name else f"check {check}" if check else "what is known"


def _said(verb: str, given: Mapping[str, Any]) -> str:
    key = text(given.get("Key"))
    shown = text(given.get("Value"))
    value = (
        f" = {shown if len(shown) <= _VALUE_MAX else shown[: _VALUE_MAX - 1] + '…'}"
        if verb in _WRITES
        else ""
    )
    index = int((given.get("RaftIndex") or given).get("ModifyIndex") or 0)
    condition = f" at index {index}" if verb in {"cas", "delete-cas", "check-index"} else ""
    session = (
        f" by session {text(given.get('Session'))}" if verb in {"lock", "unlock", "check-session"} else ""
    )
    return f"{verb} {key}{value}{condition}{session}"
