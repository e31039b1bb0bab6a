"""Elections and numbers: each anomaly by itself, and judges that try every moment."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from quorate.checkers.elections import OneLeaderAtATime
from quorate.checkers.identifiers import NumbersGrow
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History

SECOND = 10**9


def history(steps, key="e0"):
    """Steps `(process, f, asked, done, argument, outcome or value)` in whole seconds."""
    halves = []
    for number, (_, _, asked, done, *_) in enumerate(steps):
        halves += [(asked, 0, number), (done, 1, number)]
    events, asked_at = [], {}
    for index, (moment, half, number) in enumerate(sorted(halves)):
        process, f, _, _, argument, answer = steps[number]
        kind = "invoke" if not half else answer if answer in ("fail", "info") else "ok"
        if not half:
            asked_at[number] = index
        value = argument if not half or kind != "ok" else answer
        invoked = asked_at[number] if half else None
        events.append(Event(index, moment * SECOND, process, kind, f, key, value, index_of_invoke=invoked))
    return History.of(events)


def names(checker, steps):
    result = checker.check(history(steps), Limits())
    assert (result.verdict is Verdict.INVALID) == bool(result.anomalies)
    assert all(anomaly.events and anomaly.sentence for anomaly in result.anomalies)
    assert result.confirmed_by == ("definitions" if result.anomalies else None), result.anomalies
    return {anomaly.name for anomaly in result.anomalies}


FIRST = (1, "campaign", 0, 1, "a", 5)
SECOND_TERM = (2, "campaign", 3, 6, "b", 8)
QUIET = [
    [FIRST, (1, "proclaim", 2, 3, "c", 5), (1, "resign", 4, 5, None, None), SECOND_TERM],
    [FIRST, SECOND_TERM, (1, "proclaim", 5, 7, "c", 5)],  # at once: the old leader may have spoken first
    [FIRST, SECOND_TERM, (1, "proclaim", 8, 9, "c", "info"), (1, "resign", 10, 11, None, "fail")],
    [FIRST, SECOND_TERM, (3, "leader", 7, 8, None, ["b", 8]), (4, "leader", 4, 5, None, ["a", 5])],
    [FIRST, SECOND_TERM, (2, "proclaim", 7, 9, "d", "info"), (3, "leader", 8, 9, None, ["d", 8])],
]


@pytest.mark.parametrize("steps", QUIET)
def test_elections_as_they_may_be(steps):
    assert names(OneLeaderAtATime(), steps) == set()


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("terms overlap", [FIRST, SECOND_TERM, (1, "proclaim", 7, 8, "c", 5)]),
        ("terms overlap", [FIRST, SECOND_TERM, (3, "leader", 7, 8, None, ["a", 5])]),
        ("terms overlap", [(1, "campaign", 0, 1, "a", 8), (2, "campaign", 2, 3, "b", 5)]),
        ("term given twice", [FIRST, (2, "campaign", 3, 6, "b", 5)]),
        ("term goes on after resigning",
         [FIRST, (1, "resign", 2, 3, None, None), (3, "leader", 4, 5, None, ["a", 5])]),
        ("leader misquoted", [FIRST, (3, "leader", 2, 3, None, ["z", 5])]),
    ],
)  # fmt: skip
def test_each_anomaly_of_elections(name, steps):
    assert names(OneLeaderAtATime(), steps) == {name}


def test_what_is_undecided():
    checker = OneLeaderAtATime()
    assert checker.check(history([FIRST]), Limits()).verdict is Verdict.UNKNOWN
    vacant = [FIRST, SECOND_TERM, (4, "crown", 20, 25, "z", "info"), (5, "crown", 26, 30, "z", "fail")]
    result = checker.check(history(vacant), Limits())
    assert (result.verdict, "e0" in result.reason) == (Verdict.UNKNOWN, True)
    crowned = [*vacant, (6, "crown", 31, 32, "z", 9)]
    assert checker.check(history(crowned), Limits()).verdict is Verdict.VALID


def in_order(words):
    """Whether every word can be given a moment such that terms follow one another."""
    spans = [range(asked, done + 1) for asked, done, _ in words]
    tokens = [token for _, _, token in words]
    return any(
        all(
            tokens[one] == tokens[other] or (tokens[one] < tokens[other]) == (moments[one] < moments[other])
            or moments[one] == moments[other]
            for one, other in product(range(len(words)), repeat=2)
        )
        for moments in product(*spans)
    )  # fmt: skip


@pytest.mark.parametrize("block", range(2))
def test_elections_against_a_judge_that_tries_every_moment(block):
    rng, said = Random(block), {True: 0, False: 0}
    for _ in range(150):
        words = []
        for _ in range(rng.randrange(2, 6)):
            asked = rng.randrange(8)
            words.append((asked, asked + rng.randrange(1, 4), rng.randrange(3)))
        steps = [(n, "proclaim", asked, done, "v", token) for n, (asked, done, token) in enumerate(words)]
        fine = in_order(words)
        assert ("terms overlap" not in names(OneLeaderAtATime(), steps)) == fine, words
        said[fine] += 1
    assert min(said.values()) > 15, said


@pytest.mark.parametrize("block", range(2))
def test_numbers_against_every_pair(block):
    rng, said = Random(block), {True: 0, False: 0}
    for _ in range(300):
        steps = []
        for n in range(rng.randrange(2, 7)):
            asked = rng.randrange(10)
            steps.append((n, "draw", asked, asked + rng.randrange(1, 5), None, rng.randrange(40)))
        fine = all(
            one[5] != other[5] and not (one[3] < other[2] and one[5] > other[5])
            for one, other in product(steps, repeat=2)
            if one is not other
        )
        assert (names(NumbersGrow(), steps) == set()) == fine, steps
        said[fine] += 1
    assert min(said.values()) > 30, said


def test_lost_answers_and_gaps_of_numbers_mean_nothing():
    steps = [(1, "draw", 0, 1, None, 3), (2, "draw", 2, 3, None, "info"), (3, "draw", 4, 5, None, 90)]
    assert names(NumbersGrow(), steps) == set()
    assert (
        NumbersGrow().check(history([(1, "draw", 0, 1, None, "info")]), Limits()).verdict is Verdict.UNKNOWN
    )
