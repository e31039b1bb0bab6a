"""Bisection over scripted versions: each change is found by few questions; what cannot be tested is passed over."""

from __future__ import annotations

import asyncio
import math

import pytest

from quorate.harness.core.test import UsageError
from quorate.harness.experiments.bisecting import bisect
from quorate.harness.experiments.bisection import question_of
from quorate.harness.experiments.decide import Decision
from quorate.harness.experiments.sequential import Tally
from quorate.harness.experiments.versions import Version, branches, over


def line(text):
    return [Version(str(place), "3.5", f"etcd@3.5.{place}") for place in range(len(text))]


def found(text, known=(), limit=None):
    """`B` is bad, `G` good, `?` cannot be tested."""
    asked = []

    async def judge(version):
        if limit is not None and len(asked) >= limit:
            return None
        asked.append(version.name)
        answer = {"B": "yes", "G": "no", "?": "undecided"}[text[int(version.name)]]
        return Decision(answer, Tally(), 0.0)

    given = {str(place): Decision("yes", Tally(), 0.0) for place in known}
    return asyncio.run(bisect("3.5", line(text), judge, given)), asked


@pytest.mark.parametrize("change", range(1, 40))
def test_a_fix_is_found_with_a_logarithm_of_questions(change):
    result, asked = found("B" * change + "G" * (40 - change))
    (flip,) = result.flips
    assert (flip.kind, flip.before, flip.after, flip.skipped) == ("fixed", str(change - 1), str(change), ())
    assert len(asked) <= 2 + math.ceil(math.log2(39))
    assert len(set(asked)) == len(asked)


def test_a_bug_within_the_line_is_found_by_the_version_that_showed_it():
    blind, _ = found("GGGBBBGGGG")
    assert blind.flips == ()
    result, _ = found("GGGBBBGGGG", known=[4])
    assert [flip.words() for flip in result.flips] == [
        "introduced: last good 2, first bad 3",
        "fixed: last bad 5, first good 6",
    ]


def test_what_cannot_be_tested_is_passed_over_and_told():
    result, _ = found("BBBB????GG")
    (flip,) = result.flips
    assert flip.words() == "fixed: last bad 3, first good 8 (not known: 4, 5, 6, 7)"
    ends, _ = found("??BBG??")
    assert [flip.words() for flip in ends.flips] == ["fixed: last bad 3, first good 4"]
    none, asked = found("???")
    assert none.flips == ()
    assert len(asked) == 3


def test_out_of_time_it_says_so():
    result, _ = found("BBBBBBGGGG", limit=2)
    assert not result.complete
    (flip,) = result.flips
    assert flip.skipped


def test_a_bug_in_three_runs_of_ten_needs_about_nine_clean_ones():
    assert 9 <= question_of(Tally(hits=3, misses=7), 0.05).misses_needed <= 13
    often = question_of(Tally(hits=3), 0.05)
    assert (often.hits_needed, often.misses_needed) == (1, 4)


def test_values_of_a_setting_are_versions():
    first, second = over("simulated", "bug=none,lost-write")
    assert (first.name, first.settings, second.name) == ("1:none", {"bug": "none"}, "2:lost-write")
    assert [name for name, _ in branches([first, second])] == ["bug"]


@pytest.mark.parametrize("text", ["bug", "bug=one", "=a,b"])
def test_what_is_no_list_is_refused(text):
    with pytest.raises(UsageError, match="write KEY="):
        over("simulated", text)
