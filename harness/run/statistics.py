"""Numbers for people, from a history alone: outcomes, latencies, availability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from quorate.harness.core.results import Counts, Outcomes, Statistics
from quorate.harness.history.columns import FAIL, INFO, OK
from quorate.harness.run.dues import ALL
from quorate.harness.run.operations import Operations, served_mask

_ERRORS_SHOWN: Final = 20


def summarise(
    operations: Operations, end_s: float, latency_due_ms: Mapping[str, Mapping[str, float]] | None = None
) -> Statistics:
    """Return counts, rate, latencies by function, outcomes by node, and the commonest errors.

    `latency_due_ms` are latencies from when operations were due, by function and for all, where the load had a rate.
    """
    columns, due = operations.columns, latency_due_ms or {}
    by_function = {}
    for handle in np.unique(operations.f):
        chosen, name = operations.f == handle, str(columns.text(int(handle)))
        counts = _counts(operations.outcome[chosen])
        by_function[name] = Counts(
            counts.ok, counts.fail, counts.info, _latency(operations, chosen), due.get(name, {})
        )
    by_node = {}
    for handle in np.unique(operations.node):
        name = columns.text(int(handle))
        if name is not None:
            by_node[str(name)] = _counts(operations.outcome[operations.node == handle])
    counts = _counts(operations.outcome)
    return Statistics(
        operations=len(operations),
        ok=counts.ok,
        fail=counts.fail,
        info=counts.info,
        rate_per_s=round(counts.ok / end_s, 1) if end_s > 0 else 0.0,
        latency_ms=_latency(operations, operations.outcome == OK),
        latency_due_ms=due.get(ALL, {}),
        by_function=by_function,
        by_node=by_node,
        errors=_errors(operations),
    )


def _counts(outcome: npt.NDArray[np.int64]) -> Outcomes:
    return Outcomes(*(int((outcome == code).sum()) for code in (OK, FAIL, INFO)))


def _latency(operations: Operations, chosen: npt.NDArray[np.bool_]) -> dict[str, float]:
    chosen = chosen & (operations.outcome == OK)
    if not chosen.any():
        return {}
    latency_ms = (operations.end_s[chosen] - operations.begin_s[chosen]) * 1e3
    p50, p95, p99 = np.percentile(latency_ms, [50, 95, 99])
    return {
        "p50": round(float(p50), 3),
        "p95": round(float(p95), 3),
        "p99": round(float(p99), 3),
        "max": round(float(latency_ms.max()), 3),
    }


def _errors(operations: Operations) -> dict[str, int]:
    """Count errors by code, commonest first; `none` is an operation that never came back."""
    handles, counts = np.unique(operations.error[operations.outcome != OK], return_counts=True)
    found: dict[str, int] = {}
    for handle, count in zip(handles, counts, strict=True):
        error = operations.columns.text(int(handle))
        code = str(error[0]) if isinstance(error, list) and error else "none" if error is None else str(error)
        found[code] = found.get(code, 0) + int(count)
    return dict(sorted(found.items(), key=lambda item: -item[1])[:_ERRORS_SHOWN])


def availability(operations: Operations, start_s: float, end_s: float) -> dict[str, float]:
    """Return per node the share of operations, begun in the window, that were served.

    A refused compare-and-set was served; `fail` for want of a server, and `info`, count against it.
    """
    inside = (operations.begin_s >= start_s) & (operations.begin_s < end_s)
    served = served_mask(operations)
    shares = {}
    for handle in np.unique(operations.node[inside]):
        name = operations.columns.text(int(handle))
        chosen = inside & (operations.node == handle)
        if name is not None and chosen.any():
            shares[str(name)] = round(float(served[chosen].mean()), 4)
    return shares
