"""The comparisons err no more often than promised, however often they are looked at."""

from __future__ import annotations

import math
from random import Random

import pytest

from quorate.harness.experiments.comparison import Bounded, Ratio

ERROR = 0.05


def ends(make, draw, pairs, experiments=600):
    """Share of experiments that ended with each word, looked at after every pair."""
    words = {"worse": 0, "not worse": 0, "undecided": 0}
    random = Random(4)
    for _ in range(experiments):
        one = make(0.05, ERROR, ERROR)
        word = "undecided"
        for _ in range(pairs):
            one.add(draw(random))
            word = one.word()
            if word != "undecided":
                break
        words[word] += 1
    return {word: count / experiments for word, count in words.items()}


def test_at_the_margin_neither_word_is_said_too_often():
    def coin(random):
        return 1.0 if random.random() < 0.05 else 0.0

    found = ends(Bounded, coin, 150)
    assert found["worse"] <= ERROR
    assert found["not worse"] <= ERROR

    def normal(random):
        return random.gauss(math.log(1.05), 0.2)

    found = ends(Ratio, normal, 60)
    assert found["worse"] <= ERROR
    assert found["not worse"] <= ERROR


def test_the_same_is_not_called_worse():
    found = ends(Ratio, lambda random: random.gauss(0.0, 0.2), 60)
    assert found["worse"] <= ERROR / 5
    found = ends(Bounded, lambda random: random.choice((-1.0, 0.0, 0.0, 1.0)), 100)
    assert found["worse"] <= ERROR


def test_what_is_much_worse_is_seen_soon():
    assert ends(Ratio, lambda random: random.gauss(0.5, 0.1), 12)["worse"] > 0.95
    assert ends(Bounded, lambda random: 1.0 if random.random() < 0.9 else 0.0, 15)["worse"] > 0.95


def test_clean_pairs_are_not_worse_after_about_seventy():
    one = Bounded(0.05, ERROR, ERROR)
    count = 0
    while one.word() == "undecided":
        one.add(0.0)
        count += 1
    assert one.judged().word == "not worse"
    assert 58 <= count <= 75  # the rule of three gives 59


def test_pairs_that_are_equal_to_the_last_digit_are_soon_not_worse():
    one = Ratio(0.05, ERROR, ERROR)
    for _ in range(8):
        one.add(0.0)
    assert one.judged().word == "not worse"


def test_bounds_hold_the_mean_at_all_times():
    random, missed = Random(9), 0
    for _ in range(1000):
        one, out = Ratio(0.05, ERROR, ERROR), False
        for _ in range(60):
            one.add(random.gauss(0.1, 0.3))
            low, high = one.bounds(ERROR)
            out = out or not low <= 0.1 <= high
        missed += out
    assert missed <= 50


def test_bounds_of_rates_hold_the_mean_at_all_times():
    random, missed = Random(3), 0
    for _ in range(150):
        one, out = Bounded(0.05, ERROR, ERROR), False
        for pair in range(60):
            one.add(random.choice((-1.0, 0.0, 0.0, 0.0, 1.0, 1.0)))
            if pair % 15 == 14:
                judged = one.judged()
                out = out or not judged.low <= 1 / 6 <= judged.high
        missed += out
    assert missed <= 2 * ERROR * 150


def test_bounds_of_clean_pairs_are_about_those_of_the_rule_of_three():
    one = Bounded(0.05, ERROR, ERROR)
    for _ in range(69):
        one.add(0.0)
    judged = one.judged()
    assert (judged.mean, judged.word) == (0.0, "not worse")
    assert 0.03 < judged.high <= 0.05
    assert judged.low == pytest.approx(-judged.high)


@pytest.mark.parametrize("make", [Bounded, Ratio])
def test_without_pairs_nothing_is_known(make):
    assert make(0.05, ERROR, ERROR).judged().word == "undecided"
