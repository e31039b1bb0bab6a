"""Watches of names on real servers, under partition and kill: ZooKeeper's notices and Consul's long polls."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize(
    ("system", "guarantee", "told"),
    [("zookeeper", "notices-are-reliable", "notices"), ("consul", "polls-tell-the-state", "answers")],
)
def test_watch_holds_under_partition_and_kill(quorate_test, system, guarantee, told):
    words = ["--cluster", "local"]
    words += ["-w", "watch", "-f", "partition,kill", "--fault-interval", "3s", "--time", "14s", "--seed", "3"]
    if system == "consul":
        words += ["--set", "reads=consistent"]
    code, found = quorate_test(system, *words)
    assert (code, found["verdict"]) == (0, "valid"), found["reason"]
    judged = next(each for each in found["guarantees"] if each["guarantee"] == guarantee)
    assert judged["stats"][told] > 100
    assert {row["fault"] for row in found["faults"]} == {"partition", "kill"}
