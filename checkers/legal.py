"""The legal state at each step of a small counterexample: an order in which all but the culprit can have happened.

For people, not for proof: the engine has proved that no order fits all. This one fits the others, so that a reader sees
which state the impossible operation met. Only the few operations of a minimal counterexample are looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from quorate.checkers.explain import Told
from quorate.checkers.models.model import Model, Operation, State, frozen
from quorate.harness.core.counterexample import trimmed
from quorate.harness.core.evidence import Step

OPERATIONS_MAX: Final = 14
_VISITS_MAX: Final = 20_000
_STATE_MAX: Final = 200


class _Placed(msgspec.Struct, frozen=True):
    """An operation by the position of its invocation; `begin` and `end` are positions, `end` None if never answered."""

    begin: int
    end: int | None
    operation: Operation


def order(
    model: Model, told: Sequence[Told], ends: Sequence[int | None], culprit: int, initial: Any = None
) -> list[Step]:
    """Return what each operation met, by the position of its invocation; [] where there are too many or no order fits.

    `ends` are the positions of the completions, None where the outcome is unknown. Operations have their place in the
    order and the state after it; the impossible one the states that it can only have met.
    """
    steps = [_placed(one, end) for one, end in zip(told, ends, strict=True)]
    others = [step for step in steps if step.begin != culprit]
    bad = next((step for step in steps if step.begin == culprit), None)
    if bad is None or len(others) > OPERATIONS_MAX:
        return []
    start = model.initial if initial is None else frozen(initial)
    try:
        found = _order(model, others, start)
    except (LookupError, TypeError, ValueError):  # a function or a value that the model does not know
        return []
    if found is None:
        return []
    words = " or ".join(dict.fromkeys(_words(model, state) for state in _met(found, bad, start)))
    return [
        *(
            Step(step.begin, number, _words(model, state))
            for number, (step, state) in enumerate(found, start=1)
        ),
        Step(bad.begin, text=f"could only have met {words}" if words else ""),
    ]


def _placed(one: Told, end: int | None) -> _Placed:
    got = one.result
    if one.scope is not None and one.f == "read":
        got = trimmed(got, one.scope)
    known = one.kind != "info"
    return _Placed(
        one.position, end if known else None, Operation(one.process, one.f, one.argument, got, known)
    )


def _words(model: Model, state: State) -> str:
    text = model.say(state)
    return text if len(text) <= _STATE_MAX else f"{text[:_STATE_MAX]}…"


def _order(model: Model, steps: Sequence[_Placed], start: State) -> list[tuple[_Placed, State]] | None:
    """Find an order, true to real time, in which all that certainly happened can happen; depth first, remembered."""
    dead: set[tuple[frozenset[int], State]] = set()
    visits = 0

    def deeper(done: frozenset[int], state: State) -> list[tuple[_Placed, State]] | None:
        nonlocal visits
        visits += 1
        left = [step for step in steps if step.begin not in done]
        if all(step.end is None for step in left):
            return []
        if visits > _VISITS_MAX or (done, state) in dead:
            return None
        for step, after in _following(model, left, state):
            rest = deeper(done | {step.begin}, after)
            if rest is not None:
                return [(step, after), *rest]
        dead.add((done, state))
        return None

    return deeper(frozenset(), start)


def _following(model: Model, left: Sequence[_Placed], state: State) -> Iterator[tuple[_Placed, State]]:
    limit = min(step.end for step in left if step.end is not None)
    for step in left:
        if step.begin <= limit:
            for after in model.step(state, step.operation):
                yield step, after


def _met(found: Sequence[tuple[_Placed, State]], bad: _Placed, start: State) -> list[State]:
    """The states between the last operation that had ended before it began and the first that began after it ended."""
    first = max(
        (at + 1 for at, (step, _) in enumerate(found) if step.end is not None and step.end < bad.begin),
        default=0,
    )
    states = [start, *(state for _, state in found)]
    last = len(found)
    if bad.end is not None:
        last = min((at for at, (step, _) in enumerate(found) if step.begin > bad.end), default=last)
    return states[first : max(first, last) + 1]
