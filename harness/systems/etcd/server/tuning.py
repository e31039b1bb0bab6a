"""The knobs of etcd that decide how soon snapshots, batches of compaction and elections come within a run."""

from __future__ import annotations

from typing import Final

from quorate.harness.core.tuning import Knob, knob

# Which flags exist from which release on was read from the releases' own sources (etcdmain/config.go).
CATCHUP_SINCE: Final = (3, 5, 14)
SLEEP_SINCE: Final = (3, 5, 16)
ZAP_SINCE: Final = (3, 4)

KNOBS: Final[tuple[Knob, ...]] = (
    knob("snapshot_count", "100", "", "50", "100", "1000"),
    knob("catchup_entries", "50", "", "10", "100", "1000", since=CATCHUP_SINCE),
    knob("compaction_batch", "10", "", "5", "10", "100", since=ZAP_SINCE),
    knob("compaction_sleep", "100ms", "", "50ms", "500ms", "2s", since=SLEEP_SINCE),
    knob("backend_interval", "", "", "10ms", "500ms", "2s", since=ZAP_SINCE),
    knob("pre_vote", "", "", "true", "false", since=ZAP_SINCE),
    knob("quota", "", "", "", "268435456"),
    Knob(
        ("heartbeat", "election"),
        {"heartbeat": "50ms", "election": "500ms"},
        (
            {},
            {"heartbeat": "50ms", "election": "500ms"},
            {"heartbeat": "30ms", "election": "300ms"},
            {"heartbeat": "200ms", "election": "2s"},
        ),
    ),
    knob("value_size", "", "", "", "10B..1KB", "10B..100KB"),
)
