"""Reports of etcd's robustness tests: `operations.json` and `watch.json` of each client, or the folder of all clients.

Operations become reads and writes of single keys, which is less than the report holds but never more: conditions,
revisions and the atomicity of several keys are left out, so what is found to be wrong is wrong. A transaction that
succeeded is its puts and deletes, a revoked lease may delete the keys that it was given. Of a report's watches, those
are taken that ask for the same keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from quorate.harness.history.event import Event
from quorate.harness.history.native import HistoryError

OPERATIONS: Final = "operations.json"
WATCHES: Final = "watch.json"
_PARTLY: Final = (
    "a report of etcd's robustness tests: each key is judged as a register; revisions, conditions and the atomicity of "
    "several keys are not judged"
)
# How far the two fields that mark a report stand from its start at most: requests of transactions are long.
_LOOKED_AT: Final = 64 << 10


class Step(NamedTuple):
    """One operation on one key; `returned` is None where it is unknown whether it took effect."""

    client: Any
    f: str
    key: str
    asked: Any
    answer: Any
    called: int
    returned: int | None


def files_of(folder: Path) -> list[Path]:
    """Find a report's operations, or its watches where it has none; both of all clients."""
    for name in (OPERATIONS, WATCHES):
        found = sorted(folder.glob(f"client-*/{name}")) or [
            path for path in [folder / name] if path.is_file() and folder.name.startswith("client-")
        ]
        if found:
            return found
    return []


def is_report(start: bytes) -> bool:
    """Whether a file that starts so is a report."""
    head = start[:_LOOKED_AT].lstrip()
    operation = head.startswith((b'{"ClientId"', b'{"ClientId" ')) and b'"Input"' in head
    return operation or (head.startswith(b'{"Request"') and b'"Responses"' in head)


def events_of(lines: Iterable[bytes], source: str) -> tuple[list[Event], tuple[str, ...]]:
    """Read a report's lines; the events in order of time, and what is to be said. Raises `HistoryError`."""
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            rows.append(msgspec.json.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            msg = f"line {number}: not JSON as etcd's robustness tests write it: {error}"
            raise HistoryError(msg, source=source) from error
    try:
        if rows and "Request" in rows[0]:
            return _watches(rows)
        return _operations(rows)
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"this is a report of etcd's robustness tests, and {error!r} in it is not as they write it"
        raise HistoryError(msg, source=source) from error


def _operations(rows: list[dict[str, Any]]) -> tuple[list[Event], tuple[str, ...]]:
    leased: dict[int, set[str]] = {}
    for row in rows:
        for one in _changes(row["Input"].get("Txn") or {}, failed=False):
            lease = (one.get("Put") or {}).get("LeaseID")
            if one["Type"] == "put-operation" and lease:
                leased.setdefault(lease, set()).add(one["Put"]["Key"])
    keys = {key for row in rows for key in _keys(row["Input"])}
    steps, passed = [], 0
    for row in rows:
        found = list(_steps(row, leased, keys))
        passed += not found and row["Input"]["Type"] in {"range", "txn"}
        steps += found
    notes = [_PARTLY]
    if passed:
        notes.append(
            f"{passed:,} requests say nothing that can be judged so (failed or old reads, refused writes)"
        )
    return _events(steps), tuple(notes)


def _keys(request: dict[str, Any]) -> Iterator[str]:
    txn = request.get("Txn") or {}
    for one in [*_changes(txn, failed=False), *_changes(txn, failed=True)]:
        if one["Type"] == "put-operation":
            yield one["Put"]["Key"]
        elif one["Type"] == "delete-operation":
            yield one["Delete"]["Key"]


def _changes(txn: dict[str, Any], *, failed: bool) -> list[dict[str, Any]]:
    return txn.get("OperationsOnFailure" if failed else "OperationsOnSuccess") or []


def _steps(row: dict[str, Any], leased: dict[int, set[str]], keys: set[str]) -> Iterator[Step]:
    request, output = row["Input"], row["Output"]
    called, client = row["Call"], row["ClientId"]
    unknown = bool(output.get("Error"))
    returned = None if unknown or output.get("Persisted") else row["Return"]
    if output.get("ClientError"):
        return
    match request["Type"]:
        case "range" if not unknown and not request["Range"].get("Revision") and output["Revision"] >= 0:
            for key, value in _seen(request["Range"], output["Range"], keys):
                yield Step(client, "read", key, None, value, called, returned)
        case "leaseRevoke":
            # The deletions that it makes have no answers.
            for key in sorted(leased.get(request["LeaseRevoke"]["LeaseID"], ())):
                yield Step(client, "write", key, None, None, called, None)
        case "txn":
            yield from _transaction(request["Txn"], output, (client, called, returned))


def _transaction(
    txn: dict[str, Any], output: dict[str, Any], when: tuple[Any, int, int | None]
) -> Iterator[Step]:
    client, called, returned = when
    if output.get("Txn") is not None:
        branches = [_changes(txn, failed=bool(output["Txn"].get("Failure")))]
    else:
        # It is unknown whether its condition held: either may have been done, or neither.
        branches = [_changes(txn, failed=False), _changes(txn, failed=True)]
        returned = None
    for branch in branches:
        for key, value in _written(branch).items():
            yield Step(client, "write", key, value, value, called, returned)


def _written(branch: list[dict[str, Any]]) -> dict[str, Any]:
    """What a branch leaves behind in each key that it changes: etcd refuses two puts of one key."""
    found: dict[str, Any] = {}
    for one in branch:
        if one["Type"] == "put-operation":
            found[one["Put"]["Key"]] = _value(one["Put"].get("Value"))
        elif one["Type"] == "delete-operation":
            found[one["Delete"]["Key"]] = None
    return found


def _seen(request: dict[str, Any], answer: dict[str, Any], keys: set[str]) -> Iterator[tuple[str, Any]]:
    """Keys with the values that a read saw, None where it saw that the key is not there."""
    shown = {one["Key"]: _value(one.get("Value")) for one in answer["KVs"] or ()}
    yield from shown.items()
    if request.get("Limit"):
        return
    start, end = request["Start"], request.get("End")
    # An end of one zero byte asks for all keys from the start on.
    asked = {key for key in keys if start <= key and (end == "\0" or key < end)} if end else {start}
    for key in sorted(asked - shown.keys()):
        yield key, None


def _value(value: Any) -> Any:
    """A value; long ones are kept as a hash."""
    if not isinstance(value, dict):
        return "" if value is None else value
    return {"hash": value["Hash"]} if value.get("Hash") else value.get("Value", "")


def _events(steps: list[Step]) -> list[Event]:
    """Events in order of time, invocations first where times are equal: ties only widen.

    Each process of the result has one operation at a time: the keys of one request are several processes.
    """
    moments: list[tuple[int, int, int, Event]] = []
    free: dict[Any, list[tuple[int, int]]] = {}
    count = 0
    for step in sorted(steps, key=lambda step: step.called):
        lanes = free.setdefault(step.client, [])
        lane = next((at for at, (_, until) in enumerate(lanes) if until < step.called), None)
        if lane is None:
            lanes.append((count, 0))
            lane, count = len(lanes) - 1, count + 1
        process = lanes[lane][0]
        begun = Event(0, step.called, process, "invoke", step.f, step.key, step.asked)
        moments.append((step.called, 0, len(moments), begun))
        if step.returned is None:
            lanes.pop(lane)
            continue
        lanes[lane] = (process, step.returned)
        ended = Event(0, step.returned, process, "ok", step.f, step.key, step.answer)
        moments.append((step.returned, 1, len(moments), ended))
    moments.sort(key=lambda moment: moment[:3])
    return [msgspec.structs.replace(one, index=index) for index, (*_, one) in enumerate(moments)]


def _watches(rows: list[dict[str, Any]]) -> tuple[list[Event], tuple[str, ...]]:
    filters = Counter((row["Request"]["Key"], row["Request"]["WithPrefix"]) for row in rows)
    chosen = filters.most_common(1)[0][0]
    events: list[Event] = []
    for process, row in enumerate(rows):
        if (row["Request"]["Key"], row["Request"]["WithPrefix"]) != chosen:
            continue
        answers = [one for one in row["Responses"] or () if not one.get("Error")]
        messages = [
            [one["Revision"], [_change(event) for event in one.get("Events") or ()]]
            for one in answers
            if one.get("Events") or one.get("IsProgressNotify")
        ]
        times = [one.get("Time", 0) for one in answers] or [0]
        # A watch from now on begins with what it was shown first.
        shown = (change[2] for _, changes in messages for change in changes)
        start = row["Request"]["Revision"] or next(shown, 0)
        at = len(events)
        events += [
            Event(at, times[0], process, "invoke", "watch", None, [start, False]),
            Event(at + 1, times[-1], process, "ok", "watch", None, {"from": start, "messages": messages}),
        ]
    notes = ["a report of etcd's robustness tests: its watches are judged against each other"]
    if len(filters) > 1:
        left = len(rows) - filters[chosen]
        notes.append(f"{left:,} watches of other keys than {chosen[0]!r} are not judged")
    return events, tuple(notes)


def _change(event: dict[str, Any]) -> list[Any]:
    gone = event["Type"] == "delete-operation"
    return [event["Key"], None if gone else _value(event.get("Value")), event["Revision"]]
