"""A user's own model gives the verdicts of the built-in one that says the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from quorate.checkers import check
from quorate.checkers.custom import Model, check_custom, minimal
from quorate.checkers.custom import check as check_module
from quorate.checkers.custom.search import Budget, Operation, Search
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History
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


def operations_of(events: list[Event]) -> list[Operation]:
    model = Model(name="mine", initial=None, step=register, looks=lambda f, _: f == "read")
    history = History.of(events)
    return check_module._parts(history, model, check_module._order(history)).get("null", [])


def test_it_agrees_with_the_built_in_register() -> None:
    model = Model(name="mine", initial=None, step=register)
    looking = msgspec.structs.replace(model, looks=lambda f, _: f == "read")
    seen = set()
    for seed in range(300):
        # What a refused compare saw is known to the built-in model alone.
        events = spread(seed)
        refused = any(e.type == "fail" and e.f == "cas" for e in events)
        if refused:
            continue
        mine, built_in = check_custom(events, model), check(events, model="cas-register")
        assert mine.verdict is built_in.verdict, seed
        assert check_custom(events, looking).verdict is built_in.verdict, seed
        for width in (1, 3):
            all_of_it, _ = Search(looking, operations_of(events), Budget(Limits())).run()
            few, _ = Search(looking, operations_of(events), Budget(Limits()), width=width).run()
            assert few in {Verdict.UNKNOWN, all_of_it}, seed
        seen.add(mine.verdict)
    assert seen >= {Verdict.VALID, Verdict.INVALID}
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


def test_counterexamples_are_minimal_and_still_wrong() -> None:
    model = Model(name="mine", initial=None, step=register)
    told = 0
    for seed in range(500):
        events = spread(seed)
        if any(event.type == "fail" for event in events):
            continue
        result = check_custom(events, model)
        for anomaly in result.anomalies:
            told += 1
            assert anomaly.detail.minimal
            kept = set(anomaly.events)
            assert anomaly.culprit in kept
            operations = oracle.operations([msgspec.structs.asdict(event) for event in events])
            some = {
                one.position: next((at for at in kept if at == _end(events, one.position)), None)
                for one in operations
                if one.position in kept
            }
            assert not oracle.explains(_some(operations, some), "cas-register"), seed
            for position, end in some.items():
                if end is not None:
                    assert oracle.explains(_some(operations, {**some, position: None}), "cas-register"), seed
    assert told > 40


def _end(events: list[Event], position: int) -> int | None:
    later = (e for e in events[position + 1 :] if e.process == events[position].process)
    return next((event.index for event in later), None)


def _some(operations: list[oracle.Operation], kept: dict[int, int | None]) -> list[oracle.Operation]:
    """Only these; where no end is kept, with their outcome unknown."""
    return [
        one if kept[one.position] is not None else one._replace(end=oracle.INFINITY, result=None)
        for one in operations
        if one.position in kept
    ]


def test_a_long_history_is_told_by_the_few_operations_that_contradict_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(minimal, "_ONE_S", 60.0)  # a busy machine must not cut it short
    events: list[Event] = []
    for number in range(60):
        for f, asked, told in (("write", number, number), ("read", None, number if number != 50 else 7)):
            for kind, value in (("invoke", asked), ("ok", told)):
                events.append(Event(len(events), len(events), number % 3, kind, f, None, value))
    (anomaly,) = check_custom(events, Model(name="mine", initial=None, step=register)).anomalies
    assert anomaly.detail.minimal
    assert "read None answered 7" in anomaly.sentence
    whole = [event for event in (events[at] for at in anomaly.events) if event.type == "ok"]
    assert len(whole) <= 3


def queue(state: tuple[Any, ...], f: str, argument: Any, result: Any, known: bool) -> list[Any]:  # noqa: FBT001
    if f == "enqueue":
        return [(*state, argument)]
    return [state[1:]] if state and (not known or state[0] == result) else []


AT_ONCE = [Event(at, at, at, "invoke", "enqueue", None, at) for at in range(40)]
AT_ONCE += [Event(40 + at, 40 + at, at, "ok", "enqueue", None, at) for at in range(40)]


def test_an_order_is_found_among_few_where_there_are_too_many_to_try_all() -> None:
    result = check_custom(AT_ONCE, Model(name="mine", initial=(), step=queue), Limits(time_s=30.0))
    assert result.verdict is Verdict.VALID


def test_memory_is_kept_where_states_are_large() -> None:
    events = [*AT_ONCE, Event(80, 80, 1, "invoke", "dequeue"), Event(81, 81, 1, "ok", "dequeue", None, 99)]
    limits = Limits(time_s=20.0, memory_bytes=32 << 20)
    result = check_custom(events, Model(name="mine", initial=(), step=queue), limits)
    assert result.verdict is Verdict.UNKNOWN
    assert "limit" in result.reason
