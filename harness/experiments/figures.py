"""The figures that a gate compares: what each run gives, and what the difference of a pair is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from quorate.harness.core.results import Results
from quorate.harness.core.signature import STAYING, Signature, alike
from quorate.harness.experiments.comparison import Bounded, Comparison, Ratio
from quorate.harness.experiments.trial import Trial

_CONCLUDED: Final = frozenset({"anomaly", "valid"})
_SHORT_S: Final = (
    0.1  # outages and recoveries below this do not matter; it also keeps ratios of nothing apart
)
_SHORT_MS: Final = 0.2


class Figure(msgspec.Struct, frozen=True):
    """One figure: its name, its test, and the difference of a pair, None where the pair says nothing of it."""

    name: str
    make: Callable[[float, float, float], Comparison]
    difference: Callable[[Trial, Trial, Sequence[str]], float | None]


def _new(trial: Trial, other: Trial, ignored: Sequence[str], *, deaths: bool) -> bool:
    """Whether a run shows an anomaly that the other of its pair does not."""
    return any(
        not alike({one}, other.signatures)
        for one in trial.signatures
        if (one.guarantee == STAYING) is deaths and not _is_ignored(one, ignored)
    )


def _is_ignored(one: Signature, patterns: Sequence[str]) -> bool:
    return any(one.matches(pattern) for pattern in patterns)


def _findings(base: Trial, head: Trial, ignored: Sequence[str], *, deaths: bool) -> float | None:
    if base.outcome not in _CONCLUDED or head.outcome not in _CONCLUDED:
        return None
    return float(_new(head, base, ignored, deaths=deaths)) - float(_new(base, head, ignored, deaths=deaths))


def _anomalies(base: Trial, head: Trial, ignored: Sequence[str]) -> float | None:
    return _findings(base, head, ignored, deaths=False)


def _deaths(base: Trial, head: Trial, ignored: Sequence[str]) -> float | None:
    return _findings(base, head, ignored, deaths=True)


def _ratio(of: Callable[[Results], float | None], short: float) -> Callable[..., float | None]:
    def difference(base: Trial, head: Trial, _ignored: Sequence[str]) -> float | None:
        before, after = of(base.results), of(head.results)
        if before is None or after is None or "broken" in (base.outcome, head.outcome):
            return None
        return math.log((after + short) / (before + short))

    return difference


def _outage(results: Results) -> float | None:
    return results.outages.total_s if results.statistics.operations else None


def _recovery(results: Results) -> float | None:
    """Return the seconds until service came back; None where nothing had been broken."""
    return results.recovery_s if results.faults else None


def _latency(share: str) -> Callable[[Results], float | None]:
    def of(results: Results) -> float | None:
        numbers = results.statistics
        return numbers.latency_due_ms.get(share, numbers.latency_ms.get(share))

    return of


FIGURES: Final = (
    Figure("anomalies", Bounded, _anomalies),
    Figure("deaths", Bounded, _deaths),
    Figure("outages", Ratio, _ratio(_outage, _SHORT_S)),
    Figure("recovery", Ratio, _ratio(_recovery, _SHORT_S)),
    Figure("latency-p50", Ratio, _ratio(_latency("p50"), _SHORT_MS)),
    Figure("latency-p99", Ratio, _ratio(_latency("p99"), _SHORT_MS)),
)
