"""The legal state at each step of a small counterexample: an order in which all but the culprit can have happened.

For people, not for proof: the checkers have proved that no order fits all. This one fits the others, so that a reader
sees which state the impossible operation met. Only the few operations of a minimal counterexample are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Final

import msgspec

OPERATIONS_MAX: Final = 14
_VISITS_MAX: Final = 20_000
_REFUSED: Final = object()


class Step(msgspec.Struct, frozen=True):
    """One operation as the models see it; values are decoded JSON.

    `begin` and `end` are indexes of events, `end` is None where the outcome is unknown.
    """

    event: int
    process: int
    f: str
    asked: Any
    got: Any
    begin: int
    end: int | None


class Met(msgspec.Struct, frozen=True):
    """One operation in the order found: `place` counts from 1, `state` is the one after it, in words.

    The impossible one has no place, and `text` says which states it can only have met.
    """

    operation: int
    place: int | None = None
    state: str = ""
    text: str = ""


State = Hashable
Move = Callable[[State, Step], Any]


def _register(state: Any, step: Step) -> Any:
    if step.f == "read":
        return state if step.end is None or state == _frozen(step.got) else _REFUSED
    if step.f == "cas":
        old, new = (_frozen(value) for value in step.asked)
        return new if state == old else _REFUSED
    if step.f == "append":
        return (state or "") + step.asked
    return {"write": _frozen(step.asked), "delete": None}[step.f]


def _set(state: Any, step: Step) -> Any:
    state = state or frozenset()
    if step.f == "add":
        return state | {_frozen(step.asked)}
    if step.f == "remove":
        return state - {_frozen(step.asked)}
    if step.end is None:
        return state
    if step.f == "contains":
        return state if (_frozen(step.asked) in state) == step.got else _REFUSED
    return state if frozenset(map(_frozen, step.got)) == state else _REFUSED


def _counter(state: Any, step: Step) -> Any:
    state = state or 0
    if step.f in ("add", "increment"):
        return state + (1 if step.asked is None else step.asked)
    return state if step.end is None or state == step.got else _REFUSED


def _queue(state: Any, step: Step) -> Any:
    state = state or ()
    if step.f == "enqueue":
        return (*state, _frozen(step.asked))
    if step.end is None:
        return state[1:]
    if step.got is None:
        return _REFUSED if state else state
    return state[1:] if state and state[0] == _frozen(step.got) else _REFUSED


def _unordered(state: Any, step: Step) -> Any:
    value = _frozen(step.got)
    if step.f == "dequeue" and value is not None and step.end is not None and state and value in state:
        state = (value, *(state[: state.index(value)] + state[state.index(value) + 1 :]))
    return _queue(state, step)


def _lock(state: Any, step: Step) -> Any:
    if step.f == "acquire":
        return step.process if state is None else _REFUSED
    return None if state == step.process else _REFUSED


_MODELS: Final[Mapping[str, Move]] = {
    "register": _register,
    "cas-register": _register,
    "kv": _register,
    "set": _set,
    "counter": _counter,
    "queue": _queue,
    "unordered-queue": _unordered,
    "lock": _lock,
    "fenced-lock": _lock,
}


_LOCKS: Final = frozenset({"lock", "fenced-lock"})


def _frozen(value: Any) -> Any:
    """JSON values as something that can be put into sets and compared."""
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return tuple(sorted((key, _frozen(item)) for key, item in value.items()))
    return value


def _plain(state: Any) -> Any:
    if isinstance(state, frozenset):
        return sorted(state, key=repr)
    return list(state) if isinstance(state, tuple) else state


def _words(model: str | None, state: Any) -> str:
    """A state as people say it: who holds a lock, rather than a number; else as JSON."""
    if model in _LOCKS:
        return "free" if state is None else f"p{state}"
    return msgspec.json.encode(_plain(state)).decode()


def explain(model: str | None, steps: Sequence[Step], culprit: int | None) -> list[Met]:
    """Return what each operation met, or [] where this model or size is not known.

    `steps` stand in the order of invocation; `culprit` is the event of
    the impossible one.
    """
    move = _MODELS.get(model or "")
    others = [step for step in steps if step.event != culprit]
    bad = next((step for step in steps if step.event == culprit), None)
    if move is None or bad is None or len(others) > OPERATIONS_MAX:
        return []
    try:
        order = _order(move, others)
    except (KeyError, TypeError, ValueError, AttributeError):
        # An operation that the model does not know, or a value that is not what it should be.
        return []
    if order is None:
        return []
    told = [
        Met(step.event, number, _words(model, state)) for number, (step, state) in enumerate(order, start=1)
    ]
    met = _met(order, bad)
    words = " or ".join(_words(model, state) for state in met)
    return [*told, Met(bad.event, text=f"could only have met {words}" if words else "")]


def _order(move: Move, steps: Sequence[Step]) -> list[tuple[Step, State]] | None:
    """Find an order, true to real time, in which all that certainly happened can happen; depth first, remembered."""
    dead: set[tuple[frozenset[int], State]] = set()
    visits = 0

    def deeper(done: frozenset[int], state: State) -> list[tuple[Step, State]] | None:
        nonlocal visits
        visits += 1
        left = [step for step in steps if step.event not in done]
        if all(step.end is None for step in left):
            return []
        if visits > _VISITS_MAX or (done, state) in dead:
            return None
        limit = min(step.end for step in left if step.end is not None)
        for step in left:
            after = move(state, step) if step.begin <= limit else _REFUSED
            if after is not _REFUSED:
                rest = deeper(done | {step.event}, after)
                if rest is not None:
                    return [(step, after), *rest]
        dead.add((done, state))
        return None

    return deeper(frozenset(), None)


def _met(order: Sequence[tuple[Step, State]], bad: Step) -> list[State]:
    """The states between the last operation that had ended before it began and the first that began after it ended."""
    first = max(
        (at + 1 for at, (step, _) in enumerate(order) if step.end is not None and step.end < bad.begin),
        default=0,
    )
    states = [None, *(state for _, state in order)]
    last = len(order)
    if bad.end is not None:
        last = min((at for at, (step, _) in enumerate(order) if step.begin > bad.end), default=last)
    return list(dict.fromkeys(states[first : max(first, last) + 1]))
