"""The knobs of ZooKeeper that decide how soon snapshots, full synchronisations and elections come within a run."""

from __future__ import annotations

from typing import Final

from quorate.harness.core.tuning import Knob, knob

# Before that the number of transactions kept in memory for followers that come back is fixed (500).
COMMIT_LOG_SINCE: Final = (3, 6)

KNOBS: Final[tuple[Knob, ...]] = (
    knob("snap_count", "50", "", "10", "100", "1000"),
    knob("commit_log", "20", "", "10", "50", "200", since=COMMIT_LOG_SINCE),
    Knob(
        ("tick", "sync_limit"),
        {},  # shorter ticks find a deposed leader sooner: what it answers till then is seldom seen
        ({}, {"tick": "200ms"}, {"tick": "200ms", "sync_limit": "2"}, {"tick": "1s", "sync_limit": "2"}),
    ),
    knob("session", "4s", "", "", "4s", "8s"),
    knob("value_size", "", "", "", "10B..1KB", "10B..100KB"),
)
