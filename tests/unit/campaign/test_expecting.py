"""What cells are expected to come to: words, kinds of anomalies, and what a run must show."""

from __future__ import annotations

import msgspec
import pytest

from quorate.harness.campaign import expecting
from quorate.harness.campaign.cell import Cell, record_of
from quorate.harness.campaign.run import exit_code
from quorate.harness.core.results import Results
from quorate.harness.core.test import Test
from quorate.harness.core.verdict import Anomaly, Result, Verdict

STALE, DIVERGED = "linearizable:stale-read", "replicas-agree:replicas-diverge"


def results(*shown):
    """Results whose anomalies are these, as `GUARANTEE:NAME`."""
    found = []
    for one in shown:
        guarantee, _, name = one.rpartition(":")
        found.append(Result(guarantee, Verdict.INVALID, anomalies=[Anomaly(name, "said")]))
    return Results(guarantees=found)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("valid", "valid"),
        ("any", "any"),
        (["invalid"], "invalid"),
        (STALE, STALE),
        ([STALE, DIVERGED], f"{STALE}, {DIVERGED}"),
    ],
)
def test_words_and_kinds_are_understood(value, read):
    assert expecting.read(value) == read


@pytest.mark.parametrize("value", ["invald", "", [], ["valid", STALE], "stale-read", 7, [STALE, "x"]])
def test_what_is_neither_is_refused(value):
    with pytest.raises(ValueError, match="one of valid, invalid, any, or kinds"):
        expecting.read(value)


@pytest.mark.parametrize(
    ("shown", "fine"),
    [
        (["linearizable:stale read"], True),
        (["register: linearizable:stale read"], True),
        (["linearizable:stale read", "replicas-agree:replicas diverge"], True),
        (["linearizable:stale read", "linearizable:phantom value"], False),
        (["linearizable:phantom value"], False),
        ([], False),
    ],
)
def test_a_run_shows_one_of_the_kinds_and_nothing_else(shown, fine):
    expected = expecting.settled(f"{STALE}, {DIVERGED}", results(*shown))
    assert (expected == "invalid") == fine
    assert expecting.settled("invalid", results(*shown)) == "invalid"


def record(cell, verdict, shown=()):
    settled = msgspec.structs.replace(cell, expect=expecting.settled(cell.expect, results(*shown)))
    found = {
        "status": "done", "verdict": verdict, "exit_code": 0, "sentence": "", "command": "", "run": "", "release": "",
        "time_s": 1.0, "attempts": 1,
    }  # fmt: skip
    return record_of(settled, 0, 1, key=cell.key, **found)


def test_a_campaign_fails_where_another_anomaly_comes_or_none():
    cell = Cell(Test(system="simulated"), expect=STALE)
    known, other = ["linearizable:stale read"], ["linearizable:phantom value"]
    assert exit_code([record(cell, "invalid", known)]) == 0
    assert (
        exit_code([record(cell, "invalid", known), record(cell, "valid")]) == 0
    )  # one of the repeats is enough
    assert exit_code([record(cell, "valid")]) == 1
    assert exit_code([record(cell, "invalid", other)]) == 1
    assert exit_code([record(cell, "invalid", known), record(cell, "invalid", other)]) == 1
