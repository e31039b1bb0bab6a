"""A user's own model gives the verdicts of the built-in one that says the same."""

from __future__ import annotations

from typing import Any

from checkers import check
from checkers.custom import Model, check_custom
from harness.history import Event
from harness.verdict import Limits, Verdict
from tests.quality import oracle
from tests.quality.histories import Maker


def register(state: Any, f: str, argument: Any, result: Any, known: bool) -> list[Any]:  # noqa: FBT001
    if f == "read":
        return [state] if not known or state == result else []
    if f == "cas":
        return [argument[1]] if state == argument[0] else []
    return [argument]


def spread(seed: int) -> list[Event]:
    """A small random history without ties of time."""
    events = Maker(seed, "cas-register", size=8).history()
    return [Event(at, at, e["process"], e["type"], e["f"], None, e["value"]) for at, e in enumerate(events)]


def test_it_agrees_with_the_built_in_register() -> None:
    model = Model(name="mine", initial=None, step=register)
    seen = set()
    for seed in range(300):
        # What a refused compare saw is known to the built-in model alone.
        events = spread(seed)
        refused = any(e.type == "fail" and e.f == "cas" for e in events)
        if refused:
            continue
        mine, built_in = check_custom(events, model), check(events, model="cas-register")
        assert mine.verdict is built_in.verdict, seed
        seen.add(mine.verdict)
    assert seen == {Verdict.VALID, Verdict.INVALID}
    assert oracle.initial("cas-register") is None


def test_states_without_hash_and_the_words_of_the_model() -> None:
    def step(state: list[int], f: str, argument: Any, result: Any, known: bool) -> list[list[int]]:  # noqa: FBT001
        if f == "push":
            return [[*state, argument]]
        return [state[:-1]] if state and (not known or state[-1] == result) else []

    model = Model(
        name="stack",
        initial=[],
        step=step,
        hash=tuple,
        describe=lambda f, a, r: f"{f} gave {r}" if r else f"{f} {a}",
    )
    events = [
        Event(0, 0, 1, "invoke", "push", None, 1),
        Event(1, 1, 1, "ok", "push", None, 1),
        Event(2, 2, 2, "invoke", "pop"),
        Event(3, 3, 2, "ok", "pop", None, 7),
    ]
    result = check_custom(events, model)
    assert result.verdict is Verdict.INVALID
    assert "pop gave 7" in result.anomalies[0].sentence
    assert check_custom(events[:2], model).verdict is Verdict.VALID
    assert check_custom(events, model, Limits(time_s=-1.0)).verdict is Verdict.UNKNOWN
