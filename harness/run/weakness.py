"""What results say of weak reads: the promise of the mode, what they were held to, and how old they were."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from quorate.harness.core.results import JudgedReads, Staleness
from quorate.harness.core.verdict import Result
from quorate.harness.core.weak import WeakReads


def told(weak: WeakReads | None, results: Sequence[Result], *, strict: bool) -> JudgedReads | None:
    """Return the promise, and the figures of each guarantee that took them; None where reads are not weak."""
    if weak is None:
        return None
    found = [_staleness(result) for result in results if isinstance(result.stats.get("staleness"), dict)]
    held_to = "linearizable" if strict else "own promise"
    return JudgedReads(**msgspec.structs.asdict(weak), held_to=held_to, staleness=found)


def _staleness(result: Result) -> Staleness:
    more = {
        name: result.stats[name]
        for name in ("went_back", "own_writes_unseen", "by_fault")
        if name in result.stats
    }
    return msgspec.convert({"guarantee": result.guarantee, **result.stats["staleness"], **more}, Staleness)
