"""Service level objectives as guarantees: with `--set slo.outage=3s` a longer outage is a violation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec

from quorate.harness.core import settings
from quorate.harness.core.duration import format_duration
from quorate.harness.core.evidence import Missed
from quorate.harness.core.outcome import UsageError
from quorate.harness.core.results import FaultRow, Outages
from quorate.harness.core.settings import Seconds, about
from quorate.harness.core.verdict import Anomaly, Result, Verdict

PREFIX: Final = "slo."
_ENGINE: Final = "figures"
_ANSWERED: Final = "{} of the operations are answered within this time from when they were due"


class Objectives(msgspec.Struct, frozen=True):
    """Settings that demand something of the service; None demands nothing."""

    outage: (
        Annotated[
            Seconds, about("the longest time in which operations wait and none is served", ge=0, unset="any")
        ]
        | None
    ) = None
    recovery: (
        Annotated[
            Seconds,
            about(
                "the longest time from a proved healing until every affected node serves again",
                ge=0,
                unset="any",
            ),
        ]
        | None
    ) = None
    p50: Annotated[Seconds, about(_ANSWERED.format("half"), ge=0, unset="any")] | None = None
    p95: Annotated[Seconds, about(_ANSWERED.format("95 %"), ge=0, unset="any")] | None = None
    p99: Annotated[Seconds, about(_ANSWERED.format("99 %"), ge=0, unset="any")] | None = None


def read(given: Mapping[str, str], *, has_faults: bool) -> dict[str, float]:
    """Return the objectives in seconds by name; raise `UsageError` for what is not a duration, or has no effect."""
    wanted = msgspec.structs.asdict(settings.read(Objectives, given, prefix=PREFIX))
    found: dict[str, float] = {PREFIX + name: value for name, value in wanted.items() if value is not None}
    if "slo.recovery" in found and not has_faults:
        raise UsageError("--set slo.recovery does nothing without faults: add -f or --schedule")
    return found


def judge(
    objectives: Mapping[str, float],
    *,
    faults: Sequence[FaultRow],
    outages: Outages,
    latency_ms: Mapping[str, float],
) -> list[Result]:
    """Judge each objective by the run's figures; `latency_ms` has p50, p95 and p99."""
    results = []
    for name, limit_s in objectives.items():
        match name:
            case "slo.outage":
                results.append(_outage(limit_s, outages))
            case "slo.recovery":
                results.append(_recovery(limit_s, faults))
            case _:
                results.append(_latency(name, limit_s, latency_ms))
    return results


def _outage(limit_s: float, outages: Outages) -> Result:
    longest = outages.longest_s
    if longest <= limit_s:
        return _held("slo.outage", f"the longest outage was {format_duration(longest)}")
    at = max(outages.stretches, key=lambda each: each.to_s - each.from_s, default=None)
    when = "" if at is None else f" ({at.from_s:.3f} to {at.to_s:.3f} s)"
    return _missed("slo.outage", f"nothing was served for {longest:.3f} s{when}, {_limit(limit_s)}", longest)


def _recovery(limit_s: float, faults: Sequence[FaultRow]) -> Result:
    healed = [row for row in faults if row.outcome == "ok" and row.healed_s is not None]
    if not healed:
        reason = "no fault was proved and healed, so there was nothing to recover from"
        return Result("slo.recovery", Verdict.UNKNOWN, engine=_ENGINE, reason=reason)
    never = next((row for row in healed if row.recovery_s is None), None)
    if never is not None:
        return _missed(
            "slo.recovery", f"{_fault(never)}: not every node of it served again, {_limit(limit_s)}", None
        )
    took_s, slowest = max(((row.recovery_s or 0.0, row) for row in healed), key=lambda pair: pair[0])
    if took_s <= limit_s:
        return _held("slo.recovery", f"the slowest recovery took {format_duration(took_s)}")
    words = f"{_fault(slowest)}: it took {took_s:.3f} s until all of it served again"
    return _missed("slo.recovery", f"{words}, {_limit(limit_s)}", took_s)


def _latency(name: str, limit_s: float, latency_ms: Mapping[str, float]) -> Result:
    quantile = name.removeprefix(PREFIX)
    if quantile not in latency_ms:
        return Result(name, Verdict.UNKNOWN, engine=_ENGINE, reason="no operation was answered")
    took_s = latency_ms[quantile] / 1e3
    words = f"{quantile} of the latency was {latency_ms[quantile]:.1f} ms"
    return _held(name, words) if took_s <= limit_s else _missed(name, f"{words}, {_limit(limit_s)}", took_s)


def _fault(row: FaultRow) -> str:
    return f"{row.fault} of {', '.join(row.nodes)}, healed at {row.healed_s:.3f} s"


def _limit(limit_s: float) -> str:
    return f"and {format_duration(limit_s)} is allowed"


def _held(name: str, words: str) -> Result:
    return Result(name, Verdict.VALID, engine=_ENGINE, reason=words)


def _missed(name: str, sentence: str, seen_s: float | None) -> Result:
    anomaly = Anomaly(name="objective missed", sentence=sentence, detail=Missed(seen_s=seen_s))
    return Result(name, Verdict.INVALID, engine=_ENGINE, anomalies=[anomaly])
