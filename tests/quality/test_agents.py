"""Agents: quiet on the correct system, and each thing that may be wrong by itself."""

from __future__ import annotations

import pytest

from quorate.checkers.agents import AgentsAreAuthoritative
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import History
from quorate.harness.history.event import Event
from tests.quality.test_workloads_simulated import ALL, explain, run


def test_the_correct_system_passes():
    for seed in range(1, 6):
        events, results = run("agents", seed, faults=ALL if seed % 3 else (), seconds=2.4, rate=200)
        assert {result.verdict for result in results} == {Verdict.VALID}, f"{seed}: {explain(results)}"
        assert {event.f for event in events if event.type == "ok"} >= {"announce", "compare", "settle"}


class Story:
    """One thing after the other, a second each; a client is pinned to `node` unless that is None."""

    def __init__(self):
        self.events = []

    def do(self, f, key=None, value=None, end="ok", told=None, node="n1", member=None):
        at = len(self.events)
        self.events.append(Event(at, at * 10**9, at, "invoke", f, key, value, node=node))
        where = member or node if end != "info" else node
        error = None if end == "ok" else ["unsettled" if f == "settle" else "timeout", ""]
        self.events.append(
            Event(
                at + 1, (at + 1) * 10**9, at, end, f, key, told, node=where, error=error, index_of_invoke=at
            )
        )
        return self

    def announce(self, value, **more):
        return self.do("announce", "s", value, **more)

    def look(self, agent, catalog=None, f="compare", **more):
        lists = {
            where: {} if value is None else {"s": value}
            for where, value in (("agent", agent), ("catalog", catalog))
        }
        return self.do(f, told=lists, **more)


@pytest.mark.parametrize(
    ("verdict", "name", "story"),
    [
        ("valid", "", Story().announce(1).look(1).announce(2).look(2, 1).announce(None).look(None, 2)),
        ("valid", "", Story().announce(1, end="info").look(1).look(1, 1, f="settle")),
        ("valid", "", Story().announce(1, end="info").look(None).look(1)),
        ("valid", "", Story().announce(1).announce(2, end="fail").look(1)),
        ("valid", "", Story().announce(1).look(None, node="n2").look(1)),  # each agent for itself
        # Without an answer, and without its own node: it may have been for any of them.
        ("valid", "", Story().announce(1, end="info", node=None).look(1, node="n2").look(None)),
        ("valid", "", Story().announce(1, node=None, member="n2").look(1, node="n2").look(None)),
        ("valid", "", Story().announce(1).look(1, None, f="settle", end="fail").look(1, 1, f="settle")),
        ("invalid", "lost write", Story().announce(1).look(None)),
        ("invalid", "lost write", Story().announce(1).announce(None).look(1)),
        ("invalid", "stale read", Story().announce(1).announce(2).look(1).look(2)),
        ("invalid", "lost write", Story().announce(1, node=None, member="n2").look(None, node="n2")),
        ("invalid", "", Story().announce(1).announce(2, end="fail").look(2)),
        ("invalid", "catalogue shows what was not announced", Story().announce(1).look(1, 7)),
        ("unknown", "", Story().announce(1).look(1, None, f="settle", end="fail")),
        ("unknown", "", Story().announce(1)),
    ],
)  # fmt: skip
def test_what_agents_and_the_catalogue_may_have(verdict, name, story):
    result = AgentsAreAuthoritative().check(History.of(story.events), Limits())
    assert result.verdict == verdict, explain([result])
    assert not name or name in {anomaly.name for anomaly in result.anomalies}, explain([result])
