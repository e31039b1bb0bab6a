"""The exhaustive judge: every order of the operations is tried. Obvious, slow, and shares no code with the engines."""

from __future__ import annotations

from typing import Any

INFINITY = 10**9


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


def operations(events: list[dict[str, Any]]) -> list[tuple[float, float, str, Any, Any, Any]]:
    """Call, return (infinite where nobody knows), function, argument, result, process."""
    when = moments(events)
    found: list[tuple[float, float, str, Any, Any, Any]] = []
    for place, event in enumerate(events):
        if event["type"] != "invoke":
            continue
        later = range(place + 1, len(events))
        end = next((at for at in later if events[at]["process"] == event["process"]), None)
        kind = "info" if end is None or events[end]["type"] == "invoke" else events[end]["type"]
        result = events[end].get("value") if end is not None and kind != "info" else None
        f, argument, process = event["f"], event.get("value"), event["process"]
        if kind == "ok":
            found.append((when[place], when[end], f, argument, result, process))
        elif kind == "info":
            found.append((when[place], INFINITY, f, argument, None, process))
        elif f == "cas" and result is not None and result != argument:
            found.append((when[place], when[end], "read", None, result, process))
    return found


def after(model: str, state: Any, operation: tuple[float, float, str, Any, Any, Any]) -> list[Any]:
    """Every state that can follow, none where the operation cannot happen. States are hashable."""
    _, end, f, argument, result, process = operation
    known = end != INFINITY
    if model in ("register", "cas-register", "kv"):
        if f == "read":
            same = state == result or (model == "kv" and {state, result} == {None, ""})
            return [state] if not known or same else []
        if f == "cas":
            same = state == argument[0] or (model == "kv" and {state, argument[0]} == {None, ""})
            return [argument[1]] if same else []
        if f == "append":
            return [(state or "") + argument]
        return [None if f == "delete" else argument]
    if model == "set":
        if f == "add":
            return [state | {argument}]
        if f == "remove":
            return [state - {argument}]
        if f == "contains":
            return [state] if not known or (argument in state) == result else []
        return [state] if not known or (set(result) == state and len(result) == len(state)) else []
    if model in ("queue", "unordered-queue"):
        if f == "enqueue":
            return [(*state, argument)]
        heads = range(min(len(state), 1) if model == "queue" else len(state))
        if known and result is None:
            return [] if state else [state]
        taken = [state[:at] + state[at + 1 :] for at in heads if not known or state[at] == result]
        return taken if known else [*taken, state]
    if model == "counter":
        if f == "read":
            return [state] if not known or state == result else []
        return [state + argument]
    holder, highest = state
    if f == "acquire":
        if holder is not None:
            return []
        if model == "lock" or result is None:
            return [(process, highest)]
        return [(process, result)] if highest is None or result > highest else []
    return [(None, highest)] if holder == process else []


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
    todo = operations(events)
    dead: set[tuple[int, Any]] = set()
    everything = sum(1 << at for at, operation in enumerate(todo) if operation[1] != INFINITY)

    def explore(done: int, state: Any) -> bool:
        if done & everything == everything:
            return True
        if (done, state) in dead:
            return False
        dead.add((done, state))
        left = [at for at in range(len(todo)) if not done >> at & 1]
        horizon = min(todo[at][1] for at in left)
        return any(
            explore(done | 1 << at, following)
            for at in left
            if todo[at][0] < horizon
            for following in after(model, state, todo[at])
        )

    return explore(0, initial(model))
