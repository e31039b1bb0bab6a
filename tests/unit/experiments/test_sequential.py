"""The errors of the sequential test are as promised, counted over simulated coins."""

from __future__ import annotations

import math

import numpy as np
import pytest

from quorate.harness.core.test import UsageError
from quorate.harness.experiments.sequential import Question, Tally
from quorate.reports import rates

EXPERIMENTS = 100_000
QUESTIONS = [Question(), Question(0.9, 0.3, 0.05), Question(0.3, 0.05, 0.05), Question(0.24, 0.048, 0.1)]


def answers(question, rate, longest=150, seed=1, experiments=EXPERIMENTS):
    """1 where the answer is yes, -1 where it is no, 0 where undecided, and after how many runs; and the coins."""
    generator = np.random.default_rng(seed)
    walk = np.zeros(experiments)
    found, runs = np.zeros(experiments, dtype=np.int8), np.full(experiments, longest)
    tossed = []
    for run in range(1, longest + 1):
        coins = generator.random(experiments) < rate
        tossed.append(coins)
        walk += np.where(coins, question.hit, question.miss)
        ended = (found == 0) & (np.abs(walk) >= question.bound - 1e-9)
        found[ended], runs[ended] = np.sign(walk[ended]), run
    return found, runs, np.array(tossed)


@pytest.mark.parametrize("question", QUESTIONS)
def test_neither_error_exceeds_its_promise(question):
    for rate, wrong in ((question.often, -1), (question.rarely, 1)):
        found, runs, _ = answers(question, rate)
        share = np.mean(found == wrong)
        assert share <= question.error
        assert share > 0  # the coins can fool it: a test that cannot err was not asked
        assert np.mean(found == 0) < 0.01
        assert np.mean(runs) < 80


@pytest.mark.parametrize("question", QUESTIONS)
def test_rates_beyond_the_two_err_less(question):
    found, _, _ = answers(question, min(0.99, question.often * 1.3))
    assert np.mean(found == -1) <= question.error / 2
    found, _, _ = answers(question, question.rarely / 3)
    assert np.mean(found == 1) <= question.error / 2


def test_the_tally_answers_as_the_walk_does():
    question = Question(0.5, 0.1, 0.05)
    found, runs, coins = answers(question, 0.3, experiments=300)
    for row in range(300):
        tally, count = Tally(), 0
        for coin in coins[:, row]:
            tally, count = tally.add(Tally(hits=1) if coin else Tally(misses=1)), count + 1
            if tally.answer(question) != "undecided":
                break
        assert {"yes": 1, "no": -1, "undecided": 0}[tally.answer(question)] == found[row]
        assert count == runs[row]


def test_a_bug_of_three_runs_in_ten_needs_about_nine_clean_ones():
    assert Question(often=0.3, rarely=0.001, error=0.05).misses_needed == 9


def test_a_question_about_a_rate_is_decided_by_few_runs():
    certain = Question.about(1.0)
    assert (certain.hits_needed, certain.misses_needed) == (2, 2)
    assert Question.about(0.3).misses_needed <= 15


@pytest.mark.parametrize(
    ("often", "rarely", "error"), [(0.1, 0.5, 0.05), (1, 0.1, 0.05), (0.5, 0, 0.05), (0.5, 0.1, 0.7)]
)
def test_what_is_no_question_is_refused(often, rarely, error):
    with pytest.raises(UsageError, match="give"):
        Question(often, rarely, error)


def test_what_says_nothing_is_told_apart():
    assert Tally(3, 2, 1, 4).words() == "3 of 5 runs (15 to 95 %); 1 inconclusive; 4 broken"
    assert Tally(inconclusive=5).answer(Question()) == "undecided"


@pytest.mark.parametrize(
    ("hits", "tries", "low", "high"),
    [(0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0), (3, 5, 0.1466, 0.9473), (8, 40, 0.0905, 0.3565)],
)
def test_exact_intervals_are_those_of_the_tables(hits, tries, low, high):
    assert rates.exact(hits, tries) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize("rate", [0.02, 0.2, 0.5, 0.97])
def test_exact_intervals_hold_the_rate_as_often_as_promised(rate):
    tries = 20
    held = math.fsum(
        math.comb(tries, hits) * rate**hits * (1 - rate) ** (tries - hits)
        for hits in range(tries + 1)
        if rates.exact(hits, tries)[0] <= rate <= rates.exact(hits, tries)[1]
    )
    assert held >= 0.95
