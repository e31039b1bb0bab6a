"""Numbers for people, from a history alone: outcomes, latencies, availability."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quorate.harness.history.columns import FAIL, INFO, OK
from quorate.harness.run.operations import Operations, served_mask

_OUTCOMES: Final = {OK: "ok", FAIL: "fail", INFO: "info"}
_ERRORS_SHOWN: Final = 20


def summarise(operations: Operations, end_s: float) -> dict[str, Any]:
    """Return counts, rate, latencies by function, outcomes by node, and the commonest errors."""
    columns = operations.columns
    by_function = {}
    for handle in np.unique(operations.f):
        chosen = operations.f == handle
        by_function[str(columns.text(int(handle)))] = {
            **_counts(operations.outcome[chosen]),
            "latency_ms": _latency(operations, chosen),
        }
    by_node = {}
    for handle in np.unique(operations.node):
        name = columns.text(int(handle))
        if name is not None:
            by_node[str(name)] = _counts(operations.outcome[operations.node == handle])
    counts = _counts(operations.outcome)
    return {
        "operations": len(operations),
        **counts,
        "rate_per_s": round(counts["ok"] / end_s, 1) if end_s > 0 else 0.0,
        "latency_ms": _latency(operations, operations.outcome == OK),
        "by_function": by_function,
        "by_node": by_node,
        "errors": _errors(operations),
    }


def _counts(outcome: npt.NDArray[Any]) -> dict[str, int]:
    return {name: int((outcome == code).sum()) for code, name in _OUTCOMES.items()}


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
