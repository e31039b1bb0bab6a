"""Gates over scripted runs: worse, not worse, and no time to decide; what is known or broken counts for neither."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from quorate.harness.core.results import FaultRow, Results, Statistics
from quorate.harness.core.signature import Signature
from quorate.harness.core.test import Test, UsageError
from quorate.harness.experiments.gating import EXIT, Gate, Side, markdown
from quorate.harness.experiments.trial import Trial

STALE = Signature("linearizable", "stale-read")
DIED = Signature("servers-stay-up", "server-crashed", "ended-by-itself")
BASE, HEAD = Side("base", "etcd@3.5.15"), Side("head", "etcd@3.5.16")


class Scripted:
    """Runs whose figures depend on the system; `spread` is the noise of their latencies."""

    slots = 1

    def __init__(self, head=(), base=(), latency=1.0, spread=0.02, outcome="valid"):
        self.head, self.base, self.latency, self.spread = frozenset(head), frozenset(base), latency, spread
        self.outcome, self.begun = outcome, []

    async def run(self, test):
        self.begun.append((test.seed, test.system))
        is_head = test.system == HEAD.system
        found = self.head if is_head else self.base
        outcome = "anomaly" if found else self.outcome
        noise = 1 + self.spread * Random(f"{test.seed}{is_head}").uniform(-1, 1)
        milliseconds = 4.0 * noise * (self.latency if is_head else 1.0)
        results = Results(
            statistics=Statistics(
                operations=10, ok=10, latency_ms={"p50": milliseconds, "p99": 3 * milliseconds}
            ),
            recovery_s=0.4,
            faults=[FaultRow()],
        )
        return Trial(outcome, found, None, 0.0, said="because", results=results)


def gate(runs, budget_s=30.0, **options):
    return asyncio.run(Gate(runs, BASE, HEAD, **options).run([Test()], budget_s, seed=7))


def test_an_anomaly_of_the_head_alone_is_worse():
    runs = Scripted(head={STALE})
    found = gate(runs)
    assert (found.verdict, EXIT[found.verdict], found.pairs) == ("worse", 1, 9)
    assert found.example.signatures == ("linearizable:stale-read",)
    assert "etcd@3.5.16" in found.example.command
    assert [system for _, system in runs.begun[:4]] == [BASE.system, HEAD.system, HEAD.system, BASE.system]
    assert [seed for seed, _ in runs.begun[:4]] == [7, 7, 8, 8]


def test_a_server_that_dies_by_itself_is_worse():
    found = gate(Scripted(head={DIED}))
    assert found.verdict == "worse"
    assert {row.figure: row.judged.word for row in found.rows}["deaths"] == "worse"


def test_what_both_show_is_not_worse():
    found = gate(Scripted(head={STALE}, base={STALE}))
    assert (found.verdict, EXIT[found.verdict]) == ("not worse", 0)


def test_what_is_known_can_be_ignored():
    assert gate(Scripted(head={STALE}), ignored=["stale-read"]).verdict == "not worse"


def test_a_release_against_itself_is_not_worse_in_twenty_of_twenty():
    verdicts = [
        asyncio.run(Gate(Scripted(), BASE, HEAD).run((Test(),), 30.0, seed=1000 * turn)).verdict
        for turn in range(20)
    ]
    assert verdicts == ["not worse"] * 20


def test_slower_is_worse_and_faster_is_not():
    found = gate(Scripted(latency=1.3))
    assert found.verdict == "worse"
    assert {row.figure for row in found.rows if row.judged.word == "worse"} <= {"latency-p50", "latency-p99"}
    assert gate(Scripted(latency=0.7)).verdict == "not worse"


def test_without_time_nothing_is_known():
    found = gate(Scripted(), budget_s=0.0)
    assert (found.verdict, EXIT[found.verdict], found.pairs) == ("not enough time", 2, 0)


@pytest.mark.parametrize("outcome", ["inconclusive", "broken"])
def test_runs_that_say_nothing_pass_nothing(outcome):
    found = gate(Scripted(outcome=outcome), budget_s=0.3)
    assert found.verdict == "not enough time"
    assert found.inconclusive + found.broken == 2 * found.pairs
    assert "because" in markdown(found, BASE, HEAD)


def test_the_page_tells_each_figure_and_how_to_go_on():
    page = markdown(gate(Scripted(head={STALE})), BASE, HEAD)
    assert "**worse**" in page
    assert "| anomalies | +100.0% |" in page
    assert "quorate test etcd@3.5.16" in page


def test_an_unknown_figure_is_refused():
    with pytest.raises(UsageError, match="latency-p50"):
        gate(Scripted(), left_out=["latency"])
