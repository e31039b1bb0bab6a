"""Two known bugs of etcd are found again on the real server, without any fault (docs/known-bugs.md has more)."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.harness.core import story

pytestmark = pytest.mark.cluster

RELEASE = "etcd@3.4.23"  # it has both bugs, and is a package of Debian's: there in seconds
WORDS = ("-f", "none", "--cluster", "local", "--time", "6s")


def violated(results):
    return {
        row["guarantee"]: row["anomalies"] for row in results["guarantees"] if row["verdict"] == "invalid"
    }


def test_a_refused_transaction_executed_by_others(quorate_test):
    """etcd #18667."""
    _, results = quorate_test(RELEASE, "-w", "revisions", *WORDS)
    assert results["verdict"] == "invalid", results["reason"]
    assert "replicas-agree" in violated(results), "the members' own states must differ"
    why = story.kept(Path(results["run"]))
    told = " ".join(sentence for one in why.stories for sentence in one.sentences)
    assert "refused it: its read at revision" in told
    assert "the states of n1, n2 and n3 at the end are exactly what the log gives" in told


def test_a_deletion_that_a_watch_misses(quorate_test):
    """etcd #18089."""
    _, results = quorate_test(RELEASE, "-w", "watch", *WORDS, "--set", "progress_share=0")
    found = violated(results)
    assert set(found) == {"watches-are-reliable"}, results["reason"]
    # Either way of missing it: first of the watch, or with other changes at its revision.
    names = {anomaly["name"] for anomaly in found["watches-are-reliable"]}
    assert names <= {"watch not resumable", "watch not reliable"}
    sentences = [anomaly["sentence"] for anomaly in found["watches-are-reliable"]]
    assert all("the deletion of" in sentence for sentence in sentences), sentences
