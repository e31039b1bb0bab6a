"""The knobs of Consul that decide how soon raft's snapshots and elections come within a run."""

from __future__ import annotations

from typing import Final

from quorate.harness.core.tuning import Knob, knob

KNOBS: Final[tuple[Knob, ...]] = (
    knob("snapshot_threshold", "50", "", "20", "100", "1000"),
    knob("trailing_logs", "20", "", "10", "100", "1000"),
    knob("raft_multiplier", "", "", "", "2", "5"),
    knob("rpc_hold", "", "", "", "200ms", "2s"),
    knob("value_size", "", "", "", "10B..1KB", "10B..100KB"),
)
