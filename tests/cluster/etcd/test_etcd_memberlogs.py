"""The members' logs of a real etcd: brought home, and replayed to exactly the states that the members gave."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.harness.history import History
from quorate.harness.memberlogs import reading
from quorate.harness.memberlogs.settling import settle

pytestmark = pytest.mark.cluster

FAULTS = ("-f", "partition,kill", "--fault-interval", "2s", "--time", "8s", "--seed", "5")


@pytest.mark.parametrize("workload", ["register", "append", "lease"])
def test_what_the_log_gives_is_what_the_members_hold(quorate_test, workload):
    _, results = quorate_test("etcd", "--cluster", "local", "-w", workload, *FAULTS)
    folder = Path(results["run"])
    assert results["verdict"] == "valid", results["reason"]
    logs = reading.read(folder)
    assert [log.member for log in logs] == ["n1", "n2", "n3"]
    assert all(log.complete and log.explained and not log.skipped for log in logs), [
        log.notes for log in logs
    ]
    _, settled = settle(History.read(folder), logs, 3)
    assert settled.reason == ""
