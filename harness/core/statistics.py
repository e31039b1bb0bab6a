"""Numbers for people, from a history alone: outcomes, latencies, availability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quorate.harness.core.results import Counts, Outcomes, Statistics
from quorate.harness.history.columns import FAIL, INFO, OK
from quorate.harness.history.operations import Operations

_ERRORS_SHOWN: Final = 20


def summarise(operations: Operations, end_s: float) -> Statistics:
    """Return counts, rate, latencies by function, outcomes by node asked, and the commonest errors."""
    took_ms = (operations.end_s - operations.begin_s) * 1e3
    outcome = operations.outcome
    by_function = {}
    for name, chosen in _groups(operations.f, operations.functions):
        counts = _counts(outcome[chosen])
        latency_ms = _latency(took_ms[chosen], outcome[chosen])
        by_function[name] = Counts(counts.ok, counts.fail, counts.info, latency_ms)
    counts = _counts(outcome)
    return Statistics(
        operations=len(operations),
        ok=counts.ok,
        fail=counts.fail,
        info=counts.info,
        rate_per_s=round(counts.ok / end_s, 1) if end_s > 0 else 0.0,
        latency_ms=_latency(took_ms, outcome),
        by_function=by_function,
        by_node={
            name: _counts(outcome[mine]) for name, mine in _groups(operations.node, operations.nodes) if name
        },
        errors=_errors(operations),
    )


def _groups(codes: npt.NDArray[np.int64], names: Sequence[str]) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    return [(name, codes == code) for code, name in enumerate(names)]


def _counts(outcome: npt.NDArray[np.int64]) -> Outcomes:
    return Outcomes(*(int((outcome == code).sum()) for code in (OK, FAIL, INFO)))


def _latency(took_ms: npt.NDArray[np.float64], outcome: npt.NDArray[np.int64]) -> dict[str, float]:
    took_ms = took_ms[outcome == OK]
    if not len(took_ms):
        return {}
    p50, p95, p99 = np.percentile(took_ms, [50, 95, 99])
    return {
        "p50": round(float(p50), 3),
        "p95": round(float(p95), 3),
        "p99": round(float(p99), 3),
        "max": round(float(took_ms.max()), 3),
    }


def _errors(operations: Operations) -> dict[str, int]:
    """Count errors by code, commonest first; `none` is an operation that never came back."""
    codes, counts = np.unique(operations.error[operations.outcome != OK], return_counts=True)
    found: dict[str, int] = {}
    for code, count in zip(codes, counts, strict=True):
        name = _code(operations.errors[int(code)])
        found[name] = found.get(name, 0) + int(count)
    return dict(sorted(found.items(), key=lambda item: -item[1])[:_ERRORS_SHOWN])


def _code(error: Any) -> str:
    if isinstance(error, list) and error:
        return str(error[0])
    return "none" if error is None else str(error)


def availability(operations: Operations, start_s: float, end_s: float) -> dict[str, float]:
    """Return per node the share of operations, begun in the window, that were served.

    A refused compare-and-set was served; `fail` for want of a server, and `info`, count against it.
    """
    begin_s, served = operations.begin_s, operations.served()
    inside = (begin_s >= start_s) & (begin_s < end_s)
    shares = {}
    for name, mine in operations.by_node():
        chosen = served[mine[inside[mine]]]
        if len(chosen):
            shares[name] = round(float(chosen.mean()), 4)
    return shares
