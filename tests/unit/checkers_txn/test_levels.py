"""Every model of every small history against Adya's definitions, and answers that never contradict each other."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from quorate.checkers import check
from quorate.checkers.names import CONSISTENCY_MODELS
from quorate.checkers.transactions import Transactions
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History
from tests.quality import adya
from tests.unit.checkers_txn.making import history as make
from tests.unit.checkers_txn.test_transactions import read

SEEDS = 400


def weaker(name: str) -> set[str]:
    return {name}.union(*(weaker(one) for one in adya.IMPLIES[name]))


@pytest.mark.parametrize("model", ["append", "rw"])
def test_every_model_is_judged_by_its_definition(model):
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        rng = random.Random(seed)
        events = make(rng, model, count=rng.choice([3, 4, 4, 5]), keys=rng.choice([1, 2, 2, 3]))
        history = read(events)
        holds = adya.holding(events, model)
        strongest = set(Transactions(model).check(history, Limits()).stats["strongest"])
        assert strongest <= holds, (seed, strongest - holds)
        for name in adya.FORBIDS:
            verdict = Transactions(model, name).check(history, Limits()).verdict
            seen[verdict] += 1
            assert verdict == Verdict.UNKNOWN or (verdict == Verdict.VALID) == (name in holds), (seed, name)
    assert seen[Verdict.UNKNOWN] * 200 < seen.total()
    assert min(seen[Verdict.VALID], seen[Verdict.INVALID]) > SEEDS


@pytest.mark.parametrize("model", ["append", "rw"])
@pytest.mark.parametrize("seed", range(40))
def test_answers_of_one_history_never_contradict_each_other(model, seed):
    rng = random.Random(seed)
    history = read(make(rng, model, count=rng.randrange(5, 40), keys=rng.choice([1, 2, 5]), clients=4))
    found = {name: Transactions(model, name).check(history, Limits(time_s=10)) for name in CONSISTENCY_MODELS}
    (strongest,) = {tuple(one.stats["strongest"]) for one in found.values()}
    assert all(found[name].verdict == Verdict.VALID for name in strongest)
    for name in adya.IMPLIES:
        for below in weaker(name):
            if found[name].verdict == Verdict.VALID:
                assert found[below].verdict == Verdict.VALID, (name, below)
            if found[below].verdict == Verdict.INVALID:
                assert found[name].verdict == Verdict.INVALID, (name, below)


def test_a_writer_outside_a_knot_does_not_part_the_writers_inside():
    """Each of two missed the other's write, and both appended to y: no order of y is a consistent view."""
    steps = [
        (3, "invoke", [["append", "y", 1], ["r", "x", None]]),
        (1, "invoke", [["append", "x", 3], ["r", "y", None], ["append", "y", 4]]),
        (0, "invoke", [["append", "y", 6], ["r", "x", None]]),
        (1, "ok", [["append", "x", 3], ["r", "y", []], ["append", "y", 4]]),
        (3, "ok", [["append", "y", 1], ["r", "x", []]]),
        (0, "ok", [["append", "y", 6], ["r", "x", [3]]]),
    ]
    history = History.of(
        [Event(at, at, process, kind, "txn", None, value) for at, (process, kind, value) in enumerate(steps)]
    )
    for expect in ("consistent-view", "snapshot-isolation", "strong-snapshot-isolation"):
        found = check(history, "append", expect=expect)
        assert (found.verdict, found.confirmed_by) == (Verdict.INVALID, "definitions"), expect
        assert "strong-snapshot-isolation" not in found.stats.get("strongest", ())
    assert check(history, "append", expect="read-atomic").verdict is Verdict.VALID
