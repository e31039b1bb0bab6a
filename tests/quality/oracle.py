"""The exhaustive judge: every order of the operations is tried. Obvious, slow, and shares no code with the engines."""

from __future__ import annotations

from typing import Any, NamedTuple

INFINITY = 10**9


class Operation(NamedTuple):
    """One operation; `end` is infinite where the outcome is unknown."""

    call: float
    end: float
    f: str
    argument: Any
    result: Any
    process: Any
    position: int


def moments(events: list[dict[str, Any]]) -> list[float]:
    """When each event counts as having happened: ties of time only widen intervals.

    Within one time, invocations come before completions; but if exactly one process both returned and then asked
    again at that time, its own events keep their order, between the others' invocations and completions.
    """
    if len({event["time"] for event in events}) == 1:
        return [float(place) for place in range(len(events))]
    order = []
    for time in sorted({event["time"] for event in events}):
        tied = [place for place, event in enumerate(events) if event["time"] == time]
        again = {
            events[one]["process"]
            for one in tied
            for other in tied
            if one < other
            and events[one]["process"] == events[other]["process"]
            and events[one]["type"] != "invoke"
        }

        def rank(place: int, again: set[Any] = again) -> int:
            if len(again) == 1 and events[place]["process"] in again:
                return 1
            return 0 if events[place]["type"] == "invoke" else 2

        order += sorted(tied, key=lambda place: (rank(place), place))
    return [float(order.index(place)) for place in range(len(events))]


def operations(events: list[dict[str, Any]]) -> list[Operation]:
    """The operations that happened or may have, in the order of their invocations."""
    when = moments(events)
    found: list[Operation] = []
    for place, event in enumerate(events):
        if event["type"] != "invoke":
            continue
        later = range(place + 1, len(events))
        end = next((at for at in later if events[at]["process"] == event["process"]), None)
        kind = "info" if end is None or events[end]["type"] == "invoke" else events[end]["type"]
        result = events[end].get("value") if end is not None and kind != "info" else None
        f, argument, process = event["f"], event.get("value"), event["process"]
        if kind == "ok":
            found.append(Operation(when[place], when[end], f, argument, result, process, place))
        elif kind == "info":
            found.append(Operation(when[place], INFINITY, f, argument, None, process, place))
        elif f == "cas" and result is not None and result != argument:
            found.append(Operation(when[place], when[end], "read", None, result, process, place))
    return found


def after(model: str, state: Any, one: Operation) -> list[Any]:
    """Every state that can follow, none where the operation cannot happen. States are hashable."""
    family = {"set": _set, "queue": _queue, "unordered-queue": _queue, "counter": _counter}
    if model.endswith("lock"):
        return _lock(model, state, one)
    return family.get(model, _register)(model, state, one)


def _register(model: str, state: Any, one: Operation) -> list[Any]:
    def same(value: Any) -> bool:
        return bool(state == value) or (model == "kv" and {state, value} == {None, ""})

    if one.f == "read":
        return [state] if one.end == INFINITY or same(one.result) else []
    if one.f == "cas":
        return [one.argument[1]] if same(one.argument[0]) else []
    if one.f == "append":
        return [(state or "") + one.argument]
    return [None if one.f == "delete" else one.argument]


def _set(model: str, state: Any, one: Operation) -> list[Any]:
    if one.f == "add":
        return [state | {one.argument}]
    if one.f == "remove":
        return [state - {one.argument}]
    if one.end == INFINITY:
        return [state]
    if one.f == "contains":
        return [state] if (one.argument in state) == one.result else []
    return [state] if set(one.result) == state and len(one.result) == len(state) else []


def _queue(model: str, state: Any, one: Operation) -> list[Any]:
    if one.f == "enqueue":
        return [(*state, one.argument)]
    known = one.end != INFINITY
    heads = range(min(len(state), 1) if model == "queue" else len(state))
    if known and one.result is None:
        return [] if state else [state]
    taken = [state[:at] + state[at + 1 :] for at in heads if not known or state[at] == one.result]
    return taken if known else [*taken, state]


def _counter(model: str, state: Any, one: Operation) -> list[Any]:
    if one.f == "read":
        return [state] if one.end == INFINITY or state == one.result else []
    return [state + one.argument]


def _lock(model: str, state: Any, one: Operation) -> list[Any]:
    holder, highest = state
    if one.f == "release":
        return [(None, highest)] if holder == one.process else []
    if holder is not None:
        return []
    if model == "lock" or one.result is None:
        return [(one.process, highest)]
    return [(one.process, one.result)] if highest is None or one.result > highest else []


def initial(model: str) -> Any:
    """The object before the first operation."""
    if model == "set":
        return frozenset()
    if model in ("queue", "unordered-queue"):
        return ()
    if model == "counter":
        return 0
    return (None, None) if model.endswith("lock") else None


def linearizable(events: list[dict[str, Any]], model: str) -> bool:
    """Whether some order explains every completed operation, with any of the others thrown in."""
    return explains(operations(events), model)


def explains(todo: list[Operation], model: str) -> bool:
    """The same of operations."""
    dead: set[tuple[int, Any]] = set()
    everything = sum(1 << at for at, one in enumerate(todo) if one.end != INFINITY)

    def explore(done: int, state: Any) -> bool:
        if done & everything == everything:
            return True
        if (done, state) in dead:
            return False
        dead.add((done, state))
        left = [at for at in range(len(todo)) if not done >> at & 1]
        horizon = min(todo[at].end for at in left)
        return any(
            explore(done | 1 << at, following)
            for at in left
            if todo[at].call < horizon
            for following in after(model, state, todo[at])
        )

    return explore(0, initial(model))
