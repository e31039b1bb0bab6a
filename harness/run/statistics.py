"""Numbers for people, from a history alone: outcomes, latencies, availability, recovery.

Everything is computed on columns, so that a million operations take well under a second.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from quorate.harness.history import Columns, History
from quorate.harness.history.columns import FAIL as _FAIL
from quorate.harness.history.columns import INFO as _INFO
from quorate.harness.history.columns import INVOKE as _INVOKE
from quorate.harness.history.columns import NONE as _NONE
from quorate.harness.history.columns import OK as _OK

_OUTCOMES: Final = {_OK: "ok", _FAIL: "fail", _INFO: "info"}
_ERRORS_SHOWN: Final = 20
_UNAVAILABLE_S: Final = 0.5
# Codes of refusals that are answers: the service looked at its state and said no.
ANSWERED: Final = frozenset({"mismatch", "held", "empty", "conflict", "not-held", "not-found", "exists"})

Ints = npt.NDArray[np.int64]


class Operations:
    """Client operations as parallel arrays: one entry per invocation, `outcome` 1 ok, 2 fail, 3 info."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        invoked = np.flatnonzero((columns.kind == _INVOKE) & (columns.process >= 0))
        pair = columns.pair[invoked]
        done = pair != _NONE
        position = np.where(done, pair, 0).astype(np.int64)
        self.at: Ints = invoked.astype(np.int64)
        self.completion: Ints = np.where(done, position, -1)
        self.begin_s = columns.time[invoked] / 1e9
        self.end_s = np.where(done, columns.time[position] / 1e9, np.inf)
        self.outcome = np.where(done, columns.kind[position], _INFO).astype(np.int64)
        self.f = columns.f[invoked]
        self.node = columns.node[invoked]
        self.error = np.where(done, columns.error[position], 0)

    def __len__(self) -> int:
        return len(self.at)


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
        "by_function": by_function,
        "by_node": by_node,
        "errors": _errors(operations),
    }


def _counts(outcome: npt.NDArray[Any]) -> dict[str, int]:
    return {name: int((outcome == code).sum()) for code, name in _OUTCOMES.items()}


def _latency(operations: Operations, chosen: npt.NDArray[np.bool_]) -> dict[str, float]:
    chosen = chosen & (operations.outcome == _OK)
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
    handles, counts = np.unique(operations.error[operations.outcome != _OK], return_counts=True)
    found: dict[str, int] = {}
    for handle, count in zip(handles, counts, strict=True):
        error = operations.columns.text(int(handle))
        code = str(error[0]) if isinstance(error, list) and error else "none" if error is None else str(error)
        found[code] = found.get(code, 0) + int(count)
    return dict(sorted(found.items(), key=lambda item: -item[1])[:_ERRORS_SHOWN])


def availability(operations: Operations, start_s: float, end_s: float) -> dict[str, float]:
    """Return per node the share of operations, begun in the window, that were served.

    A refused compare-and-set was served (`ANSWERED`); `fail` for want of a server, and `info`, count against it.
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


def served_mask(operations: Operations) -> npt.NDArray[np.bool_]:
    """Return True where the service answered: ok, or refused because of the state it holds."""
    good = []
    for handle in np.unique(operations.error):
        error = operations.columns.text(int(handle))
        if isinstance(error, list) and error and error[0] in ANSWERED:
            good.append(handle)
    refused = (operations.outcome == _FAIL) & np.isin(operations.error, good)
    served: npt.NDArray[np.bool_] = (operations.outcome == _OK) | refused
    return served


def unavailable(operations: Operations, end_s: float) -> list[dict[str, Any]]:
    """Return windows of more than half a second in which a node served nothing that was asked of it."""
    served = served_mask(operations) & np.isfinite(operations.end_s)
    windows = []
    for handle in np.unique(operations.node):
        name = operations.columns.text(int(handle))
        if name is None:
            continue
        mine = operations.node == handle
        times = np.sort(operations.end_s[mine & served])
        asked = np.sort(operations.begin_s[mine])
        edges = np.concatenate(([0.0], times, [end_s]))
        for left in np.flatnonzero(np.diff(edges) > _UNAVAILABLE_S):
            start, stop = float(edges[left]), float(edges[left + 1])
            # A window counts only if something was asked in it: an idle node is not an unavailable one.
            first = np.searchsorted(asked, start, side="right")
            if first < len(asked) and asked[first] < stop:
                windows.append({"node": str(name), "from_s": round(start, 3), "to_s": round(stop, 3)})
    return sorted(windows, key=lambda window: (window["from_s"], window["node"]))


def faults(history: History, operations: Operations, end_s: float) -> list[dict[str, Any]]:
    """Pair each injection with its healing and say what they did: proofs, share of operations served, recovery.

    `recovery_s` is the time from the proved healing to the first operation then served by each affected node, the
    slowest of them; None when that never came.
    """
    served = served_mask(operations) & np.isfinite(operations.end_s)
    rows: list[dict[str, Any]] = []
    open_rows: dict[str, dict[str, Any]] = {}
    for operation in history.nemesis():
        done = operation.completion
        value = (done.value if done is not None else None) or operation.invoke.value or {}
        if not isinstance(value, dict):
            continue
        fault = operation.invoke.f
        time_s = round((done or operation.invoke).time / 1e9, 4)
        if value.get("action") == "inject":
            plan = value.get("plan") or {}
            row = {
                "fault": fault,
                "target": plan.get("target", value.get("target")),
                "nodes": list(plan.get("nodes", ())),
                "detail": plan.get("detail", {}),
                "outcome": operation.outcome,
                "injected_s": time_s,
                "healed_s": None,
                "proof": value.get("proof"),
                "healed_proof": None,
                "error": done.error if done else None,
            }
            rows.append(row)
            open_rows[fault] = row
        elif value.get("action") == "heal" and fault in open_rows:
            row = open_rows.pop(fault)
            row["healed_s"] = time_s
            row["healed_proof"] = value.get("proof")
    for row in rows:
        _effects(row, operations, served, end_s)
    return rows


def _effects(
    row: dict[str, Any], operations: Operations, served: npt.NDArray[np.bool_], end_s: float
) -> None:
    """Add the share served during the fault, and the time to recovery after it."""
    until = row["healed_s"] if row["healed_s"] is not None else end_s
    during = (operations.begin_s >= row["injected_s"]) & (operations.begin_s < until)
    row["availability"] = round(float(served[during].mean()), 4) if during.any() else None
    row["recovery_s"] = None
    if row["healed_s"] is None:
        return
    names = {operations.columns.text(int(handle)): handle for handle in np.unique(operations.node)}
    slowest = 0.0
    for node in row["nodes"]:
        if node not in names:
            continue
        mine = served & (operations.node == names[node]) & (operations.begin_s >= row["healed_s"])
        if not mine.any():
            return
        slowest = max(slowest, float(operations.end_s[mine].min()) - row["healed_s"])
    row["recovery_s"] = round(slowest, 3)
