"""Shrinking with a system whose anomaly needs exactly what the test says: what is needed stays, all else goes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from quorate.harness.core.fault import Plan
from quorate.harness.core.signature import Signature
from quorate.harness.core.test import Test
from quorate.harness.experiments.candidate import Candidate
from quorate.harness.experiments.memo import Memo
from quorate.harness.experiments.shrinking import NotShownError, Shrinker
from quorate.harness.experiments.smaller import fewer_nodes
from quorate.harness.experiments.trial import Trial
from quorate.nemesis.rows import Row, read_rows

STALE = Signature("linearizable", "stale-read")


class Needs:
    """Shows the anomaly in every run that meets the condition, or in `rate` of them, by seed."""

    slots = 1

    def __init__(self, condition, rate=1.0):
        self.condition, self.rate, self.runs = condition, rate, 0

    async def run(self, test):
        self.runs += 1
        rows = read_rows(Path(test.schedule)) if test.schedule else ()
        shows = self.condition(test, rows) and (test.seed * 7919) % 100 < 100 * self.rate
        return Trial(
            "anomaly" if shows else "valid", frozenset({STALE} if shows else ()), None, 0.1, said="stale"
        )


def row(at, fault="kill", node="n1"):
    return Row(float(at), 1.0, fault, "one", Plan(fault, "one", (node,)))


START = Candidate(
    Test(
        system="etcd@3.5.1",
        time=40.0,
        clients=10,
        nodes=3,
        rate=200.0,
        seed=5,
        settings={"read_share": "0.3"},
    ),
    tuple(row(at, "partition" if at % 8 == 0 else "kill") for at in range(2, 36, 2)),
)


def shrink(tmp_path, runs, start=START, **options):
    shrinker = Shrinker(runs, Memo(tmp_path), tmp_path, {STALE}, **options)
    return asyncio.run(shrinker.shrink(start, confirm=3))


def two_faults(test, rows):
    names = [each.fault for each in rows]
    return "kill" in names and "partition" in names and test.clients >= 2 and test.time >= 4


def test_what_is_not_needed_goes(tmp_path):
    found = shrink(tmp_path, Needs(two_faults))
    assert sorted(each.fault for each in found.end.rows) == ["kill", "partition"]
    test = found.end.test
    assert (test.clients, test.nodes, test.rate, test.settings) == (2, 1, 1.0, {})
    assert test.time < 8
    assert found.at_end.tally.hits == 3


def test_an_anomaly_of_some_runs_is_held_to_its_rate(tmp_path):
    found = shrink(tmp_path, Needs(two_faults, rate=0.6))
    assert sorted(each.fault for each in found.end.rows) == ["kill", "partition"]
    assert found.end.test.time < 20


def test_started_again_it_asks_nothing_twice_and_comes_to_the_same(tmp_path):
    first = shrink(tmp_path, Needs(two_faults))
    again = Needs(two_faults)
    assert shrink(tmp_path, again).end == first.end
    assert again.runs == 0


def test_out_of_time_it_goes_on_where_it_was(tmp_path):
    cut = shrink(tmp_path, Needs(two_faults), budget_s=0.0)
    assert cut.out_of_time
    assert cut.end == START
    later = shrink(tmp_path, Needs(two_faults))
    assert not later.out_of_time
    assert len(later.end.rows) == 2


def test_what_broke_is_asked_again_on_resuming(tmp_path):
    class Breaks(Needs):
        async def run(self, test):
            trial = await super().run(test)
            return (
                msgspec.structs.replace(trial, outcome="broken", signatures=frozenset())
                if test.clients == 1
                else trial
            )

    assert shrink(tmp_path, Breaks(lambda *_: True)).end.test.clients == 2
    assert shrink(tmp_path, Needs(lambda *_: True)).end.test.clients == 1


def test_what_does_not_come_again_is_said(tmp_path):
    with pytest.raises(NotShownError, match="0 of 8 runs"):
        shrink(tmp_path, Needs(lambda *_: False))


def test_nodes_that_a_plan_names_stay():
    plan = Plan("partition", "one", ("n1",), {"cut": [["n1", "n3"], ["n3", "n1"]]})
    assert list(fewer_nodes(START.with_rows((Row(1.0, 1.0, "partition", "one", plan),)))) == []
    assert [move.to.test.nodes for move in fewer_nodes(START.with_rows((row(2.0),)))] == [1]
