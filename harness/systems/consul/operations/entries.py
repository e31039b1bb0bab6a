"""What an entry of Consul's log asks for: its keys and values, and all of it in words."""

from __future__ import annotations

from typing import Final

from quorate.harness.core.memberlog import Change
from quorate.harness.systems.consul.operations.raftlog import Raw
from quorate.harness.systems.consul.operations.records import (
    DeregisterRequest,
    DirEntry,
    KvsRequest,
    RegisterRequest,
    SessionRequest,
    TxnRequest,
)
from quorate.harness.systems.values import text, value_of

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
        if verb in _WRITES:
            found.append(change_of(text(given.key), given.value))
        elif verb in {"delete", "delete-cas"}:
            found.append(change_of(text(given.key), None))
    return tuple(found)


def _operations(raw: Raw) -> list[tuple[str, DirEntry]]:
    """The operations on keys, as (verb, record)."""
    match raw.body:
        case KvsRequest(op, entry):
            return [(text(op), entry)]
        case TxnRequest(ops):
            return [(text(one.kv.verb), one.kv.dir_ent) for one in ops or () if one.kv is not None]
        case _:
            return []


def change_of(key: str, value: bytes | None) -> Change:
    """A changed key in the words of the client that changed it (`harness/systems/consul/client`)."""
    if not key.startswith(_ROOT):
        return Change("", key, value_of(value or None))
    space, _, rest = key.removeprefix(_ROOT).partition("/")
    if space in _NESTED:
        rest = rest.rpartition("/")[0]
    return Change(space, rest, value_of(value or None))


# Of these every element has a key below that of the whole.
_NESTED: Final = frozenset({"set"})


def said(raw: Raw) -> str:
    """The entry in words: `set quorate/register/k0 = 7`."""
    match raw.body:
        case KvsRequest() | TxnRequest():
            operations = [_said(verb, given) for verb, given in _operations(raw)]
            return operations[0] if len(operations) == 1 else f"transaction: {', '.join(operations)}"
        case SessionRequest(op, session):
            return f"{'open' if op == b'create' else 'end'} session {text(session.id)}"
        case RegisterRequest(node, service):
            what = f"service {text(service.service)}" if service is not None else "what is known"
            return f"register {what} of node {text(node)}"
        case DeregisterRequest(node, service_id, check):
            what = f"check {text(check)}" if check else f"service {text(service_id)}" if service_id else "all"
            return f"remove {what} of node {text(node)}"
        case _:
            return raw.says or _OTHERS.get(raw.kind, f"an entry of type {raw.kind}")


def _said(verb: str, given: DirEntry) -> str:
    shown = text(given.value).rstrip()
    short = shown if len(shown) <= _VALUE_MAX else shown[: _VALUE_MAX - 1] + "…"
    value = f" = {short}" if verb in _WRITES else ""
    condition = f" at index {given.modify_index}" if verb in {"cas", "delete-cas", "check-index"} else ""
    session = f" by session {text(given.session)}" if verb in {"lock", "unlock", "check-session"} else ""
    return f"{verb} {text(given.key)}{value}{condition}{session}"
