"""Workloads of what has an owner for a time, leases and the like: quiet on the correct system."""

from __future__ import annotations

import pytest

from quorate.harness.core.verdict import Verdict
from tests.quality.test_workloads_simulated import ALL, explain, run

WANTED = {
    "election": {"campaign", "proclaim", "resign", "leader", "crown"},
    "ids": {"draw"},
    "lease": {"grant", "renew", "revoke", "look", "rest"},
}


@pytest.mark.parametrize("name", WANTED)
def test_the_correct_system_passes(name):
    done = set()
    for seed in range(1, 7):
        events, results = run(name, seed, faults=ALL if seed % 3 else (), seconds=8.0, rate=200)
        assert {result.verdict for result in results} == {Verdict.VALID}, f"{seed}: {explain(results)}"
        done |= {event.f for event in events if event.type == "ok"}
    assert done >= WANTED[name], f"only {done}"
