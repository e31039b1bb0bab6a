"""Values that only grow never go back: neither for one client nor from one that had its answer to one who asks later.

Jepsen's monotonic workload (TiDB): `inc` or `add` answer the new value, `read` answers a number or a map of numbers by
name. Real time is what orders operations: what had returned before another was called is not above what that sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from quorate.checkers.objects.model import Asked, Foreign, Found, ObjectModel, Seen, anomaly
from quorate.checkers.words import say
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event, Operation
from quorate.harness.history.event import Type

_FUNCTIONS: Final = frozenset({"read", "inc", "increment", "add"})

_Highest = dict[str, tuple[float, Operation, Event]]


def _rule(seen: Seen, asked: Asked) -> Found:
    del asked
    by_event: dict[int, tuple[Operation, Event]] = {}
    for operation, done in seen.succeeded():
        by_event[operation.invoke.index] = by_event[done.index] = (operation, done)
    highest: _Highest = {}
    # What had returned when an operation was called, as far as it is the highest of its name.
    before: dict[int, _Highest] = {}
    found = []
    observations = 0
    for moment in seen.moments():
        mine = [event for event in moment if event.index in by_event]
        before |= {event.index: dict(highest) for event in mine if event.type == Type.INVOKE}
        for event in mine:
            operation, done = by_event[event.index]
            if event.index != done.index:
                continue
            known = before.pop(operation.invoke.index)
            for name, value in _numbers(done).items():
                observations += 1
                if name in known and value < known[name][0]:
                    found.append(_back(seen, operation, done, value, known[name], name))
                    break
                if name not in highest or value > highest[name][0]:
                    highest[name] = (value, operation, done)
    return Found(found, "", {"observations": observations})


def _back(
    seen: Seen,
    operation: Operation,
    done: Event,
    value: float,
    known: tuple[float, Operation, Event],
    name: str,
) -> Anomaly:
    highest, other, answered = known
    of = f" of {name}" if name else ""
    sentence = (
        f"p{done.process} saw {say(value)}{of} {seen.when(done)}, but p{answered.process} had seen "
        f"{say(highest)} {seen.when(answered)}, before p{done.process} asked"
    )
    return anomaly("value went back", sentence, operation, other)


def _numbers(done: Event) -> Mapping[str, float]:
    """Each name (with its key) and the number seen of it."""
    prefix = "" if done.key is None else say(done.key)
    value = done.value
    if value is None:
        return {}
    if _number(value):
        return {prefix: value}
    if isinstance(value, dict) and all(one is None or _number(one) for one in value.values()):
        return {f"{prefix}{name}": one for name, one in value.items() if one is not None}
    raise Foreign(done, "a number, or a map of numbers by name")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


MODEL = ObjectModel(
    name="monotonic",
    about="numbers that only grow: inc (or add) answers the new one, read a number or a map of them",
    functions=_FUNCTIONS,
    rule=_rule,
    guarantee="monotonic-reads",
)
