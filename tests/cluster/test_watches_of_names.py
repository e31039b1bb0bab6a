"""Watches of names on real servers, under partition and kill: ZooKeeper's notices and Consul's long polls."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize(
    ("system", "guarantee", "told"),
    [("zookeeper", "notices-are-reliable", "notices"), ("consul", "polls-tell-the-state", "answers")],
)
def test_watch_holds_under_partition_and_kill(tmp_path, system, guarantee, told):
    if os.geteuid() != 0:
        pytest.skip("network namespaces of the test's own need root")
    words = ["--cluster", "local", "--store", str(tmp_path), "--json"]
    words += ["-w", "watch", "-f", "partition,kill", "--fault-interval", "3s", "--time", "14s", "--seed", "3"]
    if system == "consul":
        words += ["--set", "reads=consistent"]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "test", system, *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout.strip(), done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert (done.returncode, found["verdict"]) == (0, "valid"), found["reason"]
    judged = next(each for each in found["guarantees"] if each["guarantee"] == guarantee)
    assert judged["stats"][told] > 100
    assert {row["fault"] for row in found["faults"]} == {"partition", "kill"}
