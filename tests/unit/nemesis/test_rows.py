"""Recorded faults as rows, and rows as a schedule file that says the same."""

from __future__ import annotations

import pytest

from quorate.harness.core.fault import Plan
from quorate.harness.core.injection import HEAL, INJECT
from quorate.harness.core.outcome import Broken
from quorate.nemesis.exact import read_schedule
from quorate.nemesis.rows import Row, read_rows, rows_of, to_toml
from quorate.nemesis.timetable import Entry

CUT = Plan(
    "partition", "one", ("n1",), {"cut": [["n1", "n2"], ["n2", "n1"]], "about": 'one "node"', "gone": None}
)
S = 1_000_000_000


def test_an_injection_and_its_healing_are_one_row():
    entries = (
        Entry(1 * S, "partition", INJECT, "any", plan=CUT),
        Entry(2 * S, "kill", INJECT, "one"),
        Entry(3 * S, "partition", HEAL, "any", plan=CUT),
    )
    first, second = rows_of(entries, end_s=10.0)
    assert (first.fault, first.at, first.plan) == ("partition", 1.0, CUT)
    assert first.end == pytest.approx(3.0, abs=0.001)
    assert (second.fault, second.plan) == ("kill", None)
    assert second.end == 10.0


def test_what_is_written_is_read_as_the_same(tmp_path):
    rows = (Row(0.5, 1.25, "partition", "any", CUT), Row(2.0, 0.05, "kill", "leader"))
    path = tmp_path / "schedule.toml"
    path.write_text(to_toml(rows))
    (cut, kill) = read_rows(path)
    assert cut.plan is not None
    assert cut.plan.nodes == ("n1",)
    assert cut.plan.detail == {"cut": [["n1", "n2"], ["n2", "n1"]], "about": 'one "node"'}
    assert (kill.fault, kill.target, kill.plan) == ("kill", "leader", None)
    assert kill.length == 0.05


def test_one_after_the_other_never_overlap_once_rounded(tmp_path):
    entries = []
    for turn in range(20):
        at = turn * 1_000_400_300
        entries += [Entry(at, "kill", INJECT, "one"), Entry(at + 1_000_400_299, "kill", HEAL, "one")]
    path = tmp_path / "schedule.toml"
    path.write_text(to_toml(rows_of(entries, 30.0)))
    specs, again = read_schedule(path)
    assert len(again) == 40
    assert [str(spec) for spec in specs] == ["kill:one"]


def test_a_plan_that_toml_cannot_hold_is_told():
    with pytest.raises(Broken, match="cannot be written"):
        to_toml([Row(1.0, 1.0, "kill", "one", Plan("kill", "one", ("n1",), {"odd": object()}))])
