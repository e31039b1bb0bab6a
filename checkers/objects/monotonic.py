"""Values that only grow never go back: neither for one client nor from one that had its answer to one who asks later.

Jepsen's monotonic workload (TiDB): `inc` or `add` answer the new value, `read` answers a number or a map of numbers by
name. Real time is what orders operations: what had returned before another was called is not above what that sees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from quorate.checkers.objects.model import Asked, Foreign, Found, ObjectModel, Seen, anomaly
from quorate.checkers.words import say
from quorate.harness.history import Event, Operation

_FUNCTIONS: Final = frozenset({"read", "inc", "increment", "add"})

_Highest = dict[str, tuple[float, Operation, Event]]


def _rule(seen: Seen, asked: Asked) -> Found:
    del asked
    history = seen.history
    by_event: dict[int, tuple[Operation, Event]] = {}
    for operation, done in seen.succeeded():
        by_event[operation.invoke.index] = by_event[done.index] = (operation, done)
    highest: _Highest = {}
    # What had returned when an operation was called, as far as it is the highest of its name.
    before: dict[int, _Highest] = {}
    found = []
    observations = 0
    for event in _moments(history.events()):
        if event.index not in by_event:
            continue
        operation, done = by_event[event.index]
        if event is not done and event.index == operation.invoke.index:
            before[event.index] = dict(highest)
            continue
        known = before.pop(operation.invoke.index)
        for name, value in _numbers(done).items():
            observations += 1
            if name in known and value < known[name][0]:
                _, other, answered = known[name]
                of = f" of {name}" if name else ""
                sentence = (
                    f"p{done.process} saw {say(value)}{of} {seen.when(done)}, but p{answered.process} had seen "
                    f"{say(known[name][0])} {seen.when(answered)}, before p{done.process} asked"
                )
                found.append(anomaly("value went back", sentence, operation, other))
                break
            if name not in highest or value > highest[name][0]:
                highest[name] = (value, operation, done)
    return Found(found, "", {"observations": observations})


def _moments(events: list[Event]) -> list[Event]:
    """Events in time; where times tie, invocations come first, so that ties only widen intervals."""
    if not events or events[0].time == events[-1].time:
        return events
    return sorted(events, key=lambda event: (event.time, event.type != "invoke"))


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
