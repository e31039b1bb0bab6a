"""The servers' own logs of a real ZooKeeper: brought home, and replayed to exactly the states that the servers gave."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.harness.history import History
from quorate.harness.memberlogs import reading
from quorate.harness.memberlogs.settling import settle

FAULTS = ("-f", "partition,kill", "--fault-interval", "2s", "--time", "8s", "--seed", "5")
SNAPSHOTS = ("--set", "snap_count=20", "--set", "commit_log=10")


@pytest.mark.parametrize(
    ("release", "workload", "more"),
    [("3.8.0", "register", ()), ("3.9.5", "append", ()), ("3.9.5", "lease", SNAPSHOTS)],
)
def test_what_the_log_gives_is_what_the_servers_hold(quorate_test, release, workload, more):
    _, results = quorate_test(f"zookeeper@{release}", "--cluster", "local", "-w", workload, *FAULTS, *more)
    folder = Path(results["run"])
    logs = reading.read(folder)
    assert [log.member for log in logs] == ["n1", "n2", "n3"]
    notes = [(log.explained, log.complete, log.skipped, log.notes) for log in logs]
    # A server that was given a snapshot by the leader has no log of what came before, and says so.
    behind = [log for log in logs if any("got them in a snapshot" in note for note in log.notes)]
    assert len(behind) <= 1, notes
    assert all(log.explained and not log.skipped for log in logs if log not in behind), notes
    if not more and not behind:
        _, settled = settle(History.read(folder), logs, 3)
        assert all(log.complete for log in logs), notes
        assert settled.reason == ""
