"""Results of checkers that replay replies: each anomaly a sentence, and the operations that show it."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from quorate.harness.core.evidence import Evidence, Facts
from quorate.harness.core.verdict import Anomaly, Result, Verdict
from quorate.harness.history import Event

_NS: Final = 1e9
_ANOMALIES_MAX: Final = 20


def shown_by(name: str, text: str, event: Event, *others: Event, detail: Evidence | None = None) -> Anomaly:
    """Return the anomaly that a completion shows, with the completions that it contradicts."""
    indexes = {each.index for each in (event, *others)} | {
        each.index_of_invoke for each in (event, *others) if each.index_of_invoke is not None
    }
    return Anomaly(
        name=name,
        sentence=f"{text} ({event.time / _NS:.3f} s)",
        key=event.key,
        events=sorted(indexes),
        culprit=event.index if event.index_of_invoke is None else event.index_of_invoke,
        detail=detail or Facts(),
    )


def replayed(
    guarantee: str,
    found: Sequence[Anomaly],
    missing: str,
    *,
    operations: int,
    started: float,
    stats: Mapping[str, Any],
) -> Result:
    """Return the result of a replaying checker: the anomalies found, or `missing`, why the history proves nothing."""
    return Result(
        guarantee=guarantee,
        verdict=Verdict.INVALID if found else Verdict.UNKNOWN if missing else Verdict.VALID,
        engine="replay",
        reason=f"{len(found)} violations" if found else missing,
        operations=operations,
        anomalies=varied(found),
        time_s=time.perf_counter() - started,
        stats={**stats, "violations": dict(Counter(each.name for each in found))},
    )


def varied(found: Sequence[Anomaly]) -> list[Anomaly]:
    """Return at most twenty: the first of every kind before the second of any."""
    ranks: defaultdict[str, int] = defaultdict(int)
    ranked = []
    for each in found:
        ranked.append((ranks[each.name], each))
        ranks[each.name] += 1
    return [each for _, each in sorted(ranked, key=lambda pair: pair[0])][:_ANOMALIES_MAX]
