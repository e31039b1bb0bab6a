"""What results say of weak reads: the promise of the mode, what they were held to, and how old they were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from quorate.harness.core.verdict import Result
from quorate.harness.core.weak import WeakReads


def told(weak: WeakReads | None, results: Sequence[Result], *, strict: bool) -> dict[str, Any] | None:
    """Return the promise, and the figures of each guarantee that took them; None where reads are not weak."""
    if weak is None:
        return None
    figures = [
        {
            "guarantee": result.guarantee,
            **result.stats["staleness"],
            "went_back": result.stats.get("went_back", 0),
            "own_writes_unseen": result.stats.get("own_writes_unseen", 0),
            "by_fault": result.stats.get("by_fault", []),
        }
        for result in results
        if isinstance(result.stats.get("staleness"), dict)
    ]
    held_to = "linearizable" if strict else "own promise"
    return {**msgspec.to_builtins(weak), "held_to": held_to, "staleness": figures}
