"""Models step as the verifier of witnesses replays; the order of a counterexample is legal and true to real time."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from quorate.checkers import Linearizable, legal
from quorate.checkers.explain import Told
from quorate.checkers.models import MODELS
from quorate.checkers.models.model import Operation, frozen, plain
from quorate.checkers.verify import verify
from quorate.harness.core.verdict import Limits
from quorate.harness.history import Event, History

SEQUENCES = 400


def drawn(model: str, rng: Random) -> tuple[str, object, object]:  # noqa: PLR0911 - a table
    """A function that the model has, with an argument and a result, half of the time one that may be right."""
    f = rng.choice(sorted(MODELS[model].functions))
    value, other = (rng.choice(["", "a", "ab", None] if model == "kv" else [1, 2]) for _ in range(2))
    match model, f:
        case "set", "read":
            return f, None, rng.choice([[], [1], [2], [1, 2], [2, 1], [1, 1]])
        case "set", "contains":
            return f, value, rng.random() < 0.5
        case "counter", "read":
            return f, None, rng.randrange(5)
        case _, "cas":
            return f, [value, other], None
        case _, "read":
            return f, None, rng.choice([value, None])
        case _, "dequeue":
            return f, None, rng.choice([value, value, None])
        case "fenced-lock", "acquire":
            return f, None, rng.choice([rng.randrange(9), None])
        case _, "acquire" | "release" | "delete":
            return f, None, None
        case _:
            return f, value, None


def replayed(model: str, operations: list[tuple[int, str, object, object]]) -> bool:
    """Whether some states follow each other, by the model's own steps."""
    states = {MODELS[model].initial}
    for process, f, asked, got in operations:
        one = Operation(process, f, asked, got, known=True)
        states = {after for state in states for after in MODELS[model].step(state, one)}
    return bool(states)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_steps_as_the_verifier_replays(model):
    rng, right = Random(7), 0
    for _ in range(SEQUENCES):
        operations = [(rng.randrange(2), *drawn(model, rng)) for _ in range(rng.randrange(1, 5))]
        events: list[Event] = []
        for process, f, asked, got in operations:
            at = len(events)
            events.append(Event(at, at, process, "invoke", f, "k", asked))
            events.append(Event(at + 1, at + 1, process, "ok", f, "k", got, index_of_invoke=at))
        known = verify(events, model, [("k", range(0, len(events), 2))]) is None
        assert replayed(model, operations) == known, operations
        right += known
    assert 0.03 * SEQUENCES < right < 0.97 * SEQUENCES


@pytest.mark.parametrize("model", MODELS)
def test_what_a_model_does_not_know_it_refuses(model):
    with pytest.raises(LookupError):
        list(MODELS[model].step(MODELS[model].initial, Operation(1, "dance", None, None, known=True)))


def test_values_are_frozen_without_loss():
    for value in (None, 3, "list", [1, ["list", 2], {}], {"b": [True], "a": {"c": None}}, [["map"]]):
        assert plain(frozen(value)) == value
        hash(frozen(value))


def told(event, f, asked=None, got=None, end=None, process=0):
    kind = "info" if end is None else "ok"
    return Told(event, process, f, asked, got, kind, 0.0, 0.0), end


def states(model, steps, culprit):
    found = legal.order(MODELS[model], [one for one, _ in steps], [end for _, end in steps], culprit)
    return {row.operation: row.state or row.text for row in found}


def test_a_stale_read_meets_the_newer_value():
    steps = [told(0, "write", 1, None, 1), told(2, "cas", [1, 2], None, 3), told(4, "read", None, 1, 5)]
    assert states("cas-register", steps, 4) == {0: "1", 2: "2", 4: "could only have met 2"}


def test_an_overlapping_operation_may_be_met_before_or_after():
    steps = [told(0, "write", 1, None, 1), told(2, "write", 2, None, 9), told(3, "read", None, 7, 4)]
    assert states("register", steps, 3)[3] == "could only have met 1 or 2"


def test_an_unknown_write_takes_part_only_where_it_must():
    steps = [told(0, "write", 1), told(1, "read", None, 1, 2), told(3, "read", None, None, 4)]
    assert states("register", steps, 3) == {0: "1", 1: "1", 3: "could only have met 1"}
    assert states("register", [steps[0], steps[2]], 3) == {3: "could only have met null"}


TWO = [told(0, "enqueue", 1, None, 1), told(2, "enqueue", 2, None, 3)]
HELD = [
    told(0, "acquire", None, 5, 1, 3),
    told(2, "release", None, None, 3, 3),
]


@pytest.mark.parametrize(
    ("model", "first", "last", "met"),
    [
        ("kv", [told(0, "write", "", None, 1)], told(4, "read", None, "a", 5), "null"),
        ("set", [told(0, "add", 1, None, 1)], told(4, "read", None, [], 5), "[1]"),
        ("set", [told(0, "add", 1, None, 1)], told(4, "contains", 1, got=False, end=5), "[1]"),
        ("counter", [told(0, "add", 2, None, 1)], told(4, "read", None, 0, 5), "2"),
        ("queue", TWO, told(4, "dequeue", None, 2, 5), "[1,2]"),
        ("unordered-queue", TWO[:1], told(4, "dequeue", None, None, 5), "[1]"),
        ("lock", [told(0, "acquire", None, None, 1, 3)], told(4, "acquire", None, None, 5, 5), "p3"),
        ("fenced-lock", HELD[:1], told(4, "acquire", None, 6, 5, 5), "p3 (token 5)"),
        ("fenced-lock", HELD, told(4, "acquire", None, 5, 5, 5), "free (last token 5)"),
    ],
)
def test_each_model(model, first, last, met):
    assert states(model, [*first, last], 4)[4] == f"could only have met {met}"


def test_no_order_where_there_are_too_many_operations_or_one_that_the_model_does_not_know():
    known = [told(0, "write", 1, None, 1), told(2, "read", None, 2, 3)]
    assert states("register", [told(0, "txn", [], None, 1), *known[1:]], 2) == {}
    assert states("register", [told(0, "cas", 7, None, 1), *known[1:]], 2) == {}
    assert states("register", [told(2 * n, "write", n, None, 2 * n + 1) for n in range(30)], 3) == {}


def test_found_orders_are_legal_and_true_to_real_time():
    rng, found = Random(5), 0
    for _ in range(300):
        ends = list(range(12))
        rng.shuffle(ends)
        spans = [sorted(ends[2 * n : 2 * n + 2]) for n in range(6)]
        steps = []
        for n, (begin, end) in enumerate(spans):
            f = rng.choice(["write", "read", "cas"])
            asked = {"write": n, "read": None, "cas": [rng.randrange(3), n]}[f]
            steps.append(told(begin, f, asked, rng.choice([None, 0, 1, 2]) if f == "read" else None, end))
        met = legal.order(
            MODELS["cas-register"],
            [one for one, _ in steps],
            [end for _, end in steps],
            steps[-1][0].position,
        )
        expected = any(in_order(order) for order in itertools.permutations(steps[:-1]))
        assert bool(met) == expected
        if met:
            found += 1
            by_position = {one.position: (one, end) for one, end in steps}
            assert in_order([by_position[row.operation] for row in met[:-1]])
    assert 20 < found < 280


def in_order(order) -> bool:
    early = any(later_end < one.position for (one, _), (_, later_end) in itertools.combinations(order, 2))
    return not early and replayed("cas-register", [(0, one.f, one.argument, one.result) for one, _ in order])


def test_a_contradiction_comes_with_the_states_that_its_operations_met():
    events = []
    for at, (f, asked, got) in enumerate([("write", 1, 1), ("write", 2, 2), ("read", None, 1)]):
        events.append(Event(2 * at, 20 * at, at, "invoke", f, "k", asked))
        events.append(Event(2 * at + 1, 20 * at + 10, at, "ok", f, "k", got, index_of_invoke=2 * at))
    (anomaly,) = Linearizable().check(History.of(events), Limits()).anomalies
    assert [(one.operation, one.state or one.text) for one in anomaly.detail.steps] == [
        (0, "1"),
        (2, "2"),
        (4, "could only have met 2"),
    ]
