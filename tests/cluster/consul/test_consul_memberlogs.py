"""The servers' own logs of a real Consul: brought home, and replayed to exactly the states that the servers gave."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.harness.history import History
from quorate.harness.memberlogs import reading
from quorate.harness.memberlogs.settling import settle

FAULTS = ("-f", "partition,kill", "--fault-interval", "2s", "--time", "6s", "--seed", "5")
SNAPSHOTS = ("--set", "snapshot_threshold=50", "--set", "trailing_logs=20")


@pytest.mark.parametrize(
    ("release", "workload", "more"),
    [("1.8.7", "register", ()), ("1.12.9", "append", ()), ("1.12.9", "lock", SNAPSHOTS)],
)
def test_what_the_log_gives_is_what_the_servers_hold(quorate_test, release, workload, more):
    _, results = quorate_test(f"consul@{release}", "--cluster", "local", "-w", workload, *FAULTS, *more)
    folder = Path(results["run"])
    logs = reading.read(folder)
    assert [log.member for log in logs] == ["n1", "n2", "n3"]
    notes = [(log.explained, log.complete, log.notes) for log in logs]
    # A server that was given a snapshot may have a log with a gap, of which nothing is said.
    assert any(log.explained for log in logs), notes
    assert not any(log.explained is False for log in logs), notes
    if not more:
        assert all(log.explained for log in logs), notes
        _, settled = settle(History.read(folder), logs, 3)
        assert all(log.complete for log in logs), notes
        assert settled.reason == ""
