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
from quorate.harness.history.robustness_records import (
    Change,
    LeaseRevoke,
    Output,
    Range,
    Request,
    Row,
    Seen,
    Txn,
    Watched,
    WatchEvent,
)

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
            return _watches(msgspec.convert(rows, list[Watched]))
        return _operations(msgspec.convert(rows, list[Row]))
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        msg = f"this is a report of etcd's robustness tests, and it is not as they write it: {error}"
        raise HistoryError(msg, source=source) from error


def _operations(rows: list[Row]) -> tuple[list[Event], tuple[str, ...]]:
    leased: dict[int, set[str]] = {}
    for row in rows:
        for one in row.input.txn.branch(failed=False) if row.input.txn else ():
            if one.put is not None and one.put.lease:
                leased.setdefault(one.put.lease, set()).add(one.put.key)
    keys = {key for row in rows if row.input.txn for key in _keys(row.input.txn)}
    steps, passed = [], 0
    for row in rows:
        found = list(_steps(row, leased, keys))
        passed += not found and row.input.type in {"range", "txn"}
        steps += found
    notes = [_PARTLY]
    if passed:
        notes.append(
            f"{passed:,} requests say nothing that can be judged so (failed or old reads, refused writes)"
        )
    return _events(steps), tuple(notes)


def _keys(txn: Txn) -> Iterator[str]:
    for one in [*txn.branch(failed=False), *txn.branch(failed=True)]:
        changed = one.put or one.delete
        if changed is not None:
            yield changed.key


def _steps(row: Row, leased: dict[int, set[str]], keys: set[str]) -> Iterator[Step]:
    request, output = row.input, row.output
    unknown = bool(output.error)
    returned = None if unknown or output.persisted else row.returned
    if output.client_error:
        return
    parts = {"range": request.range, "txn": request.txn, "leaseRevoke": request.revoke}
    if request.type in parts and parts[request.type] is None:
        raise TypeError(f"a {request.type} that does not say what it asks for")
    match request:
        case Request(type="range", range=Range() as asked) if not unknown and not asked.revision:
            if (output.revision or 0) >= 0:
                if output.range is None:
                    raise TypeError("a range without what it saw")
                for key, value in _seen(asked, output.range, keys):
                    yield Step(row.client, "read", key, None, value, row.called, returned)
        case Request(type="leaseRevoke", revoke=LeaseRevoke() as revoke):
            # The deletions that it makes have no answers.
            for key in sorted(leased.get(revoke.lease, ())):
                yield Step(row.client, "write", key, None, None, row.called, None)
        case Request(type="txn", txn=Txn() as txn):
            yield from _transaction(txn, output, (row.client, row.called, returned))


def _transaction(txn: Txn, output: Output, when: tuple[Any, int, int | None]) -> Iterator[Step]:
    client, called, returned = when
    if output.txn is not None:
        branches = [txn.branch(failed=bool(output.txn.failure))]
    else:
        # It is unknown whether its condition held: either may have been done, or neither.
        branches = [txn.branch(failed=False), txn.branch(failed=True)]
        returned = None
    for branch in branches:
        for key, value in _written(branch).items():
            yield Step(client, "write", key, value, value, called, returned)


def _written(branch: list[Change]) -> dict[str, object]:
    """What a branch leaves behind in each key that it changes: etcd refuses two puts of one key."""
    found: dict[str, object] = {}
    for one in branch:
        if one.put is not None:
            found[one.put.key] = _value(one.put.value)
        elif one.delete is not None:
            found[one.delete.key] = None
    return found


def _seen(request: Range, answer: Seen, keys: set[str]) -> Iterator[tuple[str, Any]]:
    """Keys with the values that a read saw, None where it saw that the key is not there."""
    shown = {one.key: _value(one.value) for one in answer.keys or ()}
    yield from shown.items()
    if request.limit:
        return
    start, end = request.start, request.end
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


def _watches(rows: list[Watched]) -> tuple[list[Event], tuple[str, ...]]:
    filters = Counter((row.request.key, row.request.with_prefix) for row in rows)
    chosen = filters.most_common(1)[0][0]
    events: list[Event] = []
    for process, row in enumerate(rows):
        if (row.request.key, row.request.with_prefix) != chosen:
            continue
        answers = [one for one in row.responses or () if not one.error]
        messages = [
            [one.revision, [_change(event) for event in one.events or ()]]
            for one in answers
            if one.events or one.progress
        ]
        times = [one.time or 0 for one in answers] or [0]
        # A watch from now on begins with what it was shown first.
        shown = (event.revision for one in answers for event in one.events or ())
        start = row.request.revision or next(shown, 0)
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


def _change(event: WatchEvent) -> list[Any]:
    gone = event.type == "delete-operation"
    return [event.key, None if gone else _value(event.value), event.revision]
