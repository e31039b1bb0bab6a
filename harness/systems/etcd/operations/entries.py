"""What an entry of etcd's log asks for: decoded, and in words."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError

from quorate.harness.core.memberlog import Change
from quorate.harness.systems.etcd.operations.wal import Raw
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.values import text, value_of

_VALUE_MAX: Final = 60
_MEMBER_BITS: Final = 48
_COMPARES: Final = ("version", "create revision", "mod revision", "value", "lease")
_RESULTS: Final = ("=", ">", "<", "≠")
_TARGETS: Final = ("version", "create_revision", "mod_revision", "value", "lease")


class Request(msgspec.Struct, frozen=True):
    """An entry with its request: `what` is the kind of the request (`put`, `txn`, ...; empty: nothing for the store).

    `proposer` is the last 16 bits of the identity of the member that a client gave it to: etcd numbers requests so.
    """

    index: int
    term: int
    what: str
    body: Any
    action: str
    proposer: int | None = None
    user: str = ""


def decoded(raw: Raw) -> Request:
    """Decode an entry; one that is not understood has no `what`, and says so."""
    if raw.kind:
        return Request(raw.index, raw.term, "", None, "a change of the membership")
    if not raw.data:
        return Request(raw.index, raw.term, "", None, "the empty entry of a new leader")
    try:
        request = pb.InternalRaftRequest.FromString(raw.data)
    except DecodeError:
        return Request(raw.index, raw.term, "", None, "a request of the v2 API")
    fields = [field.name for field, _ in request.ListFields() if field.name not in {"header", "ID"}]
    if len(fields) != 1 or fields[0] == "v2":
        return Request(raw.index, raw.term, "", None, "a request about the cluster itself")
    number = int(request.header.ID or request.ID)
    body = getattr(request, fields[0])
    proposer = number >> _MEMBER_BITS
    user = request.header.username
    return Request(raw.index, raw.term, fields[0], body, said(fields[0], body), proposer, user)


def said(what: str, body: Any) -> str:  # noqa: PLR0911 - a table of requests
    """The request in words: `put /register/k3 = 7`."""
    match what:
        case "put":
            lease = f" under lease {body.lease:x}" if body.lease else ""
            return f"put {text(body.key)} = {_short(text(body.value))}{lease}"
        case "delete_range":
            return f"delete {_range(body)}"
        case "range":
            return f"read {_range(body)}" + (f" at revision {body.revision}" if body.revision else "")
        case "txn":
            return _transaction(body)
        case "compaction":
            return f"compact up to revision {body.revision}"
        case "lease_grant":
            return f"grant lease {body.ID:x} for {body.TTL} s"
        case "lease_revoke":
            return f"revoke lease {body.ID:x}"
        case _:
            return what.replace("_", " ")


def _transaction(body: Any) -> str:
    compares = " and ".join(_compare(each) for each in body.compare)
    done, other = _operations(body.success), _operations(body.failure)
    if not compares:
        return f"transaction: {done}"
    return f"transaction: if {compares} then {done}" + (f" else {other}" if body.failure else "")


def _operations(operations: Any) -> str:
    return ", ".join(said(*operation(each)) for each in operations) or "nothing"


def _compare(compare: Any) -> str:
    target = compare.target
    wanted = getattr(compare, _TARGETS[target])
    value = text(wanted) if isinstance(wanted, bytes) else wanted
    return f"{_COMPARES[target]} of {_range(compare)} {_RESULTS[compare.result]} {value}"


def operation(each: Any) -> tuple[str, Any]:
    """The kind and the body of one operation of a transaction, as of a request."""
    name = each.WhichOneof("request") or "request_range"
    return name.removeprefix("request_"), getattr(each, name)


def _range(body: Any) -> str:
    start, end = body.key, body.range_end
    if not end:
        return text(start)
    if end == b"\0":
        return f"all keys from {text(start)}" if start not in {b"", b"\0"} else "all keys"
    if end[:-1] == start[:-1] and end[-1] == start[-1] + 1:
        return f"{text(start)}*"
    return f"[{text(start)}, {text(end)})"


def _short(shown: str) -> str:
    return shown if len(shown) <= _VALUE_MAX else shown[: _VALUE_MAX - 1] + "…"


def change_of(key: bytes, value: bytes | None) -> Change:
    """A changed key in the words of the client that changed it (`harness/systems/etcd/client`)."""
    space, nested, rest = text(key).removeprefix("/").partition("/")
    if not nested:
        return Change("", space, value_of(value))
    if space == "revisions":
        group, _, rest = rest.partition("/")
        space = f"{space}/{group}"
    elif space in _NESTED:
        rest = rest.rpartition("/")[0]
    return Change(space, rest, value_of(value))


# Of these every element has a key below that of the whole.
_NESTED: Final = frozenset({"set", "queue"})
