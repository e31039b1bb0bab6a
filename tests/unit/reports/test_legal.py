from __future__ import annotations

import itertools
from random import Random

import pytest

from quorate.reports import legal
from quorate.reports.legal import Step


def step(event, f, asked=None, got=None, begin=0, end=None, process=0):
    return Step(event, process, f, asked, got, begin, end)


def states(model, steps, culprit):
    return {row.operation: row.state or row.text for row in legal.explain(model, steps, culprit)}


def test_a_stale_read_meets_the_newer_value():
    steps = [
        step(0, "write", 1, None, 0, 1),
        step(2, "cas", [1, 2], None, 2, 3),
        step(4, "read", None, 1, 4, 5),
    ]
    assert states("cas-register", steps, 4) == {0: "1", 2: "2", 4: "could only have met 2"}


def test_an_overlapping_operation_may_be_met_before_or_after():
    steps = [step(0, "write", 1, None, 0, 1), step(2, "write", 2, None, 2, 9), step(3, "read", None, 7, 3, 4)]
    assert states("register", steps, 3)[3] == "could only have met 1 or 2"


def test_an_unknown_write_takes_part_only_where_it_must():
    steps = [
        step(0, "write", 1, None, 0, None),
        step(1, "read", None, 1, 1, 2),
        step(3, "read", None, None, 3, 4),
    ]
    assert states("register", steps, 3) == {0: "1", 1: "1", 3: "could only have met 1"}
    assert states("register", [steps[0], steps[2]], 3) == {3: "could only have met null"}


WRITE_1, WRITE_2 = step(0, "enqueue", 1, None, 0, 1), step(2, "enqueue", 2, None, 2, 3)


@pytest.mark.parametrize(
    ("model", "first", "last", "met"),
    [
        ("set", [step(0, "add", 1, None, 0, 1)], step(4, "read", None, [], 4, 5), "[1]"),
        ("set", [step(0, "add", 1, None, 0, 1)], step(4, "contains", 1, got=False, begin=4, end=5), "[1]"),
        ("counter", [step(0, "add", 2, None, 0, 1)], step(4, "read", None, 0, 4, 5), "2"),
        ("queue", [WRITE_1, WRITE_2], step(4, "dequeue", None, 2, 4, 5), "[1,2]"),
        ("unordered-queue", [WRITE_1], step(4, "dequeue", None, None, 4, 5), "[1]"),
        ("lock", [step(0, "acquire", None, None, 0, 1, 3)], step(4, "acquire", None, None, 4, 5, 5), "p3"),
    ],
)
def test_each_model(model, first, last, met):
    assert states(model, [*first, last], 4)[4] == f"could only have met {met}"


def test_what_it_does_not_know_it_leaves_alone():
    known = [step(0, "write", 1, None, 0, 1), step(2, "read", None, 2, 2, 3)]
    assert legal.explain("register", known, None) == []
    assert legal.explain(None, known, 2) == []
    assert legal.explain("append", known, 2) == []
    assert legal.explain("register", [step(0, "txn", [], None, 0, 1), *known[1:]], 2) == []
    assert legal.explain("register", [step(0, "cas", 7, None, 0, 1), *known[1:]], 2) == []
    many = [step(n, "write", n, None, 2 * n, 2 * n + 1) for n in range(30)]
    assert legal.explain("register", many, 3) == []


def test_found_orders_are_legal_and_true_to_real_time():
    rng = Random(5)
    found = 0
    for _ in range(300):
        ends = list(range(12))
        rng.shuffle(ends)
        spans = [sorted(ends[2 * n : 2 * n + 2]) for n in range(6)]
        kinds = [rng.choice(["write", "read", "cas"]) for _ in spans]
        asked = [{"write": n, "read": None, "cas": [rng.randrange(3), n]}[f] for n, f in enumerate(kinds)]
        steps = [
            step(begin, f, asked[n], rng.choice([None, 0, 1, 2]), begin, end)
            for n, (f, (begin, end)) in enumerate(zip(kinds, spans, strict=True))
        ]  # fmt: skip
        told = legal.explain("register", steps, steps[-1].event)
        expected = any(replays(order) for order in itertools.permutations(steps[:-1]))
        assert bool(told) == expected
        if told:
            found += 1
            by_event = {one.event: one for one in steps}
            assert replays([by_event[row.operation] for row in told[:-1]])
    assert 20 < found < 280


def replays(order) -> bool:
    state = None
    for at, one in enumerate(order):
        if any(later.end < one.begin for later in order[at + 1 :]):
            return False
        if (one.f == "read" and state != one.got) or (one.f == "cas" and state != one.asked[0]):
            return False
        state = {
            "write": one.asked,
            "read": state,
            "cas": (one.asked or [0, 0])[1] if one.f == "cas" else None,
        }[one.f]
    return True
