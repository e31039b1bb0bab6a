"""Weak reads of real services are held to their own promise: stale behind faults, and valid."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.cluster

WORDS = ("--cluster", "local", "--time", "12s", "--fault-interval", "3s", "--rate", "400", "--seed", "3")
MODES = [
    ("etcd", "serializable", "partition:leader", ("register", "set", "append")),
    ("consul@1.8.7", "stale", "pause:leader,partition", ("register", "counter", "discovery")),
    ("zookeeper", "plain", "partition:leader,kill", ("register", "set", "counter")),
]


@pytest.mark.parametrize(("system", "mode", "faults", "workloads"), MODES)
def test_weak_reads_keep_their_promise_and_their_age_is_told(quorate_test, system, mode, faults, workloads):
    words = [word for name in workloads for word in ("-w", name)]
    _, results = quorate_test(system, *words, "-f", faults, "--set", f"reads={mode}", *WORDS)
    assert results["verdict"] == "valid", results["reason"]
    weak = results["weak_reads"]
    assert weak["held_to"] == "own promise"
    assert weak["link"].startswith("https://")
    assert sum(one["reads"] for one in weak["staleness"]) > 20  # a busy machine serves little
    assert all(row["fault"] for one in weak["staleness"] for row in one["by_fault"])
