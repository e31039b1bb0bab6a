"""Scripts for anomalies of watches: what was missed and when, in plain calls; none for what needs more than that."""

from __future__ import annotations

import base64
import subprocess

from quorate.harness.core.evidence import Watched
from quorate.harness.core.test import Test
from quorate.harness.core.verdict import Anomaly
from quorate.harness.experiments.etcd_script import changes_by_revision, scripts
from quorate.harness.history import Event, History

TEST = Test(system="etcd@3.5.15", workload=("watch",), seed=7)


def history(messages):
    value = {"from": 1, "messages": messages}
    return History.of(
        [
            Event(0, 1, 0, "invoke", "follow"),
            Event(1, 2, 0, "ok", "follow", value=value),
        ]
    )


SEEN = history([[3, [["k1", 5, 2], ["k1", None, 3, 5], ["k2", 6, 3]]], [5, [["k2", 7, 4], ["k1", 8, 5]]]])
MISSED = [Anomaly("watch not reliable", "", detail=Watched(missing={3: ["k1"]}))]


def test_changes_are_those_that_watches_saw():
    assert changes_by_revision(SEEN) == {2: {"k1": 5}, 3: {"k1": None, "k2": 6}, 4: {"k2": 7}, 5: {"k1": 8}}


def test_the_shortest_script_comes_first_and_each_is_a_script():
    found = list(scripts(SEEN, MISSED, TEST))
    assert len(found) == len(set(found)) >= 2
    for text in found:
        assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    first = found[0]
    assert first.startswith("#!/usr/bin/env bash")
    assert "txn 2 " in first
    assert "txn 3 " in first
    assert "k2 = 7" not in first  # after the revision in question
    assert 'call kv/compaction \'{"revision":"3"}\'' in first
    assert f"expect {base64.b64encode(b'k1').decode()} 3" in first
    assert "etcd 3.5.15" in first


def test_what_is_no_omission_of_a_watch_has_no_script():
    assert list(scripts(SEEN, [Anomaly("stale read", "")], TEST)) == []
    assert (
        list(scripts(SEEN, [Anomaly("watch not reliable", "", detail=Watched(missing={9: ["k1"]}))], TEST))
        == []
    )
