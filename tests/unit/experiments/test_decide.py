"""One question put to scripted runs: order, budgets, and what says nothing."""

from __future__ import annotations

import asyncio

from quorate.harness.core.results import Results, Statistics
from quorate.harness.core.signature import Signature
from quorate.harness.core.test import Test
from quorate.harness.experiments.decide import Budget, decide
from quorate.harness.experiments.sequential import Question
from quorate.harness.experiments.trial import Trial

STALE = Signature("linearizable", "stale-read")
PHANTOM = Signature("linearizable", "phantom-value")


class Scripted:
    """Answers by seed; `slow` names seeds whose runs end last."""

    def __init__(self, script, slots=1, slow=(), did=0):
        self.script, self.slots, self.slow, self.did = script, slots, slow, did
        self.begun = []

    async def run(self, test):
        self.begun.append(test.seed)
        await asyncio.sleep(0.02 if test.seed in self.slow else 0)
        what = self.script(test.seed)
        found = {STALE} if what == "stale" else {PHANTOM} if what == "phantom" else set()
        outcome = "anomaly" if found else what
        return Trial(
            outcome,
            frozenset(found),
            None,
            0.1,
            f"{what} {test.seed}",
            0,
            Results(statistics=Statistics(ok=self.did)),
        )


ASKED = Question(0.9, 0.3)
MANY = Budget()


def ask(runs, question=ASKED, budget=MANY, **more):
    return asyncio.run(decide(runs, Test(seed=10), {STALE}, question, budget, **more))


def test_yes_with_the_run_that_showed_it():
    found = ask(Scripted(lambda _: "stale"))
    assert (found.answer, found.tally.hits, found.said, found.seed) == ("yes", 3, "stale 12", 12)


def test_another_anomaly_is_a_miss():
    found = ask(Scripted(lambda _: "phantom"))
    assert (found.answer, found.tally.misses) == ("no", 2)


def test_inconclusive_and_broken_runs_decide_nothing():
    found = ask(Scripted(lambda seed: "inconclusive" if seed % 2 else "broken"), budget=Budget(runs=6))
    assert found.answer == "undecided"
    assert (found.tally.inconclusive, found.tally.broken) == (3, 3)
    assert found.said


def test_for_a_short_way_an_inconclusive_run_is_a_miss():
    found = ask(Scripted(lambda _: "inconclusive"), quiet_ok=0)
    assert (found.answer, found.tally.misses) == ("no", 2)


def test_an_inconclusive_run_that_did_as_much_is_a_miss_and_one_that_did_nothing_is_not():
    busy = Scripted(lambda _: "inconclusive", did=20)
    assert ask(busy, quiet_ok=10).answer == "no"
    idle = ask(Scripted(lambda _: "inconclusive", did=3), quiet_ok=10, budget=Budget(runs=5))
    assert (idle.answer, idle.tally.inconclusive) == ("undecided", 5)


def test_what_breaks_three_times_in_a_row_is_not_asked_again():
    runs = Scripted(lambda _: "broken")
    found = ask(runs, budget=Budget(runs=50))
    assert (found.answer, len(runs.begun), found.said) == ("undecided", 3, "broken 12")


def test_a_budget_ends_it():
    found = ask(Scripted(lambda seed: "stale" if seed % 3 else "valid"), Question(0.7, 0.6), Budget(runs=7))
    assert (found.answer, found.tally.runs) == ("undecided", 7)


def test_runs_count_in_the_order_in_which_they_were_started():
    """The slow clean runs come first: what ended first must not decide."""
    runs = Scripted(lambda seed: "valid" if seed < 12 else "stale", slots=8, slow={10, 11})
    found = ask(runs)
    assert found.answer == "no"
    assert found.tally.hits == 0
