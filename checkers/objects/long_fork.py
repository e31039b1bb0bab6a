"""Long fork: two writes of different keys that two readers see in opposite orders (forbidden by snapshot isolation).

Jepsen's long-fork workload: `write` of one micro-operation `[["w", k, v]]`, each key written once, and `read` of a
group `[["r", k, null], ...]`; both may be called `txn`. Of two reads of the same keys one must have seen all that the
other saw.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any, Final

from quorate.checkers.objects.model import Asked, Foreign, Found, ObjectModel, Seen, anomaly
from quorate.checkers.words import say
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event, Operation

_MICRO: Final = 3
_READS: Final = frozenset({"r", "read"})
_WRITES: Final = frozenset({"w", "write"})

_Read = tuple[Operation, Event, dict[str, Any]]


def _rule(seen: Seen, asked: Asked) -> Found:
    del asked
    written = _written(seen)
    groups: defaultdict[tuple[str, ...], dict[frozenset[str], _Read]] = defaultdict(dict)
    counts: defaultdict[tuple[str, ...], int] = defaultdict(int)
    found: list[Anomaly] = []
    for operation, done in seen.succeeded():
        micros = _micros(done)
        if not all(micro[0] in _READS for micro in micros):
            continue
        saw = {json.dumps(micro[1]): micro[2] for micro in micros}
        wrong = next(
            (key for key, value in saw.items() if value is not None and value not in written.get(key, ())),
            None,
        )
        start = f"p{done.process} read {say(saw)} {seen.when(done)}"
        if wrong is not None:
            found.append(
                anomaly(
                    "phantom value", f"{start}, but no client had ever written that to {wrong}", operation
                )
            )
            continue
        group = tuple(sorted(saw))
        counts[group] += 1
        there = frozenset(key for key, value in saw.items() if value is not None)
        for other, (before, answered, theirs) in groups[group].items():
            seen.look()
            if not there <= other and not other <= there:
                found.append(_fork(seen, (operation, done, saw), (before, answered, theirs)))
                break
        groups[group].setdefault(there, (operation, done, saw))
    compared = any(len(group) > 1 and counts[group] > 1 for group in groups)
    missing = "" if compared else "no two reads of the same two or more keys succeeded: nothing to compare"
    return Found(found, missing, {"groups": len(groups)})


def _fork(seen: Seen, one: _Read, other: _Read) -> Anomaly:
    operation, done, saw = one
    before, answered, theirs = other
    mine = next(key for key in sorted(saw) if saw[key] is not None and theirs[key] is None)
    yours = next(key for key in sorted(saw) if saw[key] is None and theirs[key] is not None)
    sentence = (
        f"p{done.process} saw the write of {mine} but not that of {yours} {seen.when(done)}, and p{answered.process} "
        f"saw the write of {yours} but not that of {mine} {seen.when(answered)}: no order of the two writes gives both"
    )
    return anomaly("long fork", sentence, operation, before)


def _written(seen: Seen) -> dict[str, list[Any]]:
    """Values by key that were written, or may have been; a key that is written twice is not of this model."""
    written: dict[str, list[Any]] = {}
    for operation in seen.operations():
        micros = _micros(operation.invoke)
        writes = [micro for micro in micros if micro[0] in _WRITES]
        if not writes:
            continue
        if len(micros) != 1:
            raise Foreign(operation.invoke, "one write alone, or reads alone")
        key = json.dumps(writes[0][1])
        if operation.outcome == "fail":
            continue
        if key in written:
            raise Foreign(operation.invoke, "the only write of its key, as long-fork needs")
        written[key] = [writes[0][2]]
    return written


def _micros(event: Event) -> list[list[Any]]:
    value = event.value
    known = _READS | _WRITES
    if not isinstance(value, list) or not all(
        isinstance(micro, list) and len(micro) == _MICRO and micro[0] in known for micro in value
    ):
        raise Foreign(event, 'a list like [["w", 7, 1]] or [["r", 7, null], ["r", 8, null]]')
    return value


MODEL = ObjectModel(
    name="long-fork",
    about="writes of one key each, reads of several: two readers never see two writes in opposite orders",
    functions=frozenset({"read", "write", "txn"}),
    rule=_rule,
    guarantee="no-long-fork",
)
