"""Two known bugs of etcd are found again on the real server, without any fault (docs/track-record.md has more)."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from harness.systems.releases import cache

pytestmark = pytest.mark.cluster


@pytest.fixture
def release():
    """A release that has both bugs: here, or fetched in seconds (a Debian package)."""
    if os.geteuid() != 0:
        pytest.skip("namespaces of the test's own need root")
    wanted = "3.4.23"
    if not cache.folder_of("etcd", wanted).exists():
        pytest.skip(f"etcd {wanted} is not cached: quorate fetch etcd@{wanted}")
    return wanted


def judged(tmp_path, release, workload, *words):
    command = [sys.executable, "-m", "harness.cli.main", "test", f"etcd@{release}", "-w", workload, "--json"]
    options = ["-f", "none", "--cluster", "local", "--time", "6s", "--store", str(tmp_path), *words]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip(), done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def violated(results):
    return {
        row["guarantee"]: row["anomalies"] for row in results["guarantees"] if row["verdict"] == "invalid"
    }


def test_a_refused_transaction_executed_by_others(tmp_path, release):
    """etcd #18667."""
    results = judged(tmp_path, release, "revisions")
    assert results["verdict"] == "invalid", results["reason"]
    assert "replicas-agree" in violated(results), "the members' own states must differ"


def test_a_deletion_that_a_watch_misses(tmp_path, release):
    """etcd #18089."""
    results = judged(tmp_path, release, "watch", "--set", "progress_share=0")
    found = violated(results)
    assert set(found) == {"watches-are-reliable"}, results["reason"]
    # Either way of missing it: first of the watch, or with other changes at its revision.
    names = {anomaly["name"] for anomaly in found["watches-are-reliable"]}
    assert names <= {"watch not resumable", "watch not reliable"}
    sentences = [anomaly["sentence"] for anomaly in found["watches-are-reliable"]]
    assert all("the deletion of" in sentence for sentence in sentences), sentences
