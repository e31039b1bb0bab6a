"""What the faults of a run did, from its history: when each began, was proved and healed, and what clients met."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from quorate.harness.core.injection import Injection, injections
from quorate.harness.history import History
from quorate.harness.run.operations import Operations, served_mask
from quorate.harness.run.outages import Stretch, longest_within, stretches


def faults(history: History, operations: Operations, end_s: float) -> list[dict[str, Any]]:
    """Pair each injection with its healing and say what they did; times in seconds since the run's start.

    `began_s` is when the injection began and `injected_s` when it was proved, `heal_began_s` and `healed_s` likewise.
    `asked` is how many operations began meanwhile, `unasked` which of its nodes none was sent to though clients know
    them, `outage_s` the longest stretch without any service that touched it. `recovery_s` is the time from the proved
    healing to the first operation then served by each affected node, the slowest of them; None when that never came.
    """
    rows = [_row(one) for one in injections(history.nemesis())]
    served = served_mask(operations) & np.isfinite(operations.end_s)
    found = stretches(operations.begin_s, operations.end_s, served, end_s)
    for row in rows:
        _asked(row, operations, end_s)
        _effects(row, operations, found, end_s)
        row["steps"] = _steps(row, operations, found)
    return rows


def _row(one: Injection) -> dict[str, Any]:
    return {
        "fault": one.fault,
        "target": one.target,
        "nodes": list(one.nodes),
        "detail": one.detail,
        "outcome": one.outcome,
        "began_s": _seconds(one.began_ns),
        "injected_s": _seconds(one.injected_ns),
        "heal_began_s": _seconds(one.heal_began_ns),
        "healed_s": _seconds(one.healed_ns),
        "proof": msgspec.to_builtins(one.proof),
        "healed_proof": msgspec.to_builtins(one.healed_proof),
        "error": one.error,
    }


def _seconds(time_ns: int | None) -> float | None:
    return None if time_ns is None else round(time_ns / 1e9, 4)


def _steps(row: dict[str, Any], operations: Operations, found: list[Stretch]) -> list[dict[str, Any]]:
    """Return the steps of a fault that goes from node to node, by the run's clock, with what clients met meanwhile."""
    data = (row["proof"] or {}).get("data") or {}
    steps = []
    for step in data.get("steps") or ():
        moved = {
            key: round(row["began_s"] + value, 3) if key.endswith("_s") else value
            for key, value in step.items()
        }
        during = (operations.begin_s >= moved["stopped_s"]) & (operations.begin_s < moved["healthy_s"])
        served = served_mask(operations)[during]
        waits = (operations.end_s - operations.begin_s)[during][served]
        moved["availability"] = round(float(served.mean()), 4) if len(served) else None
        moved["slowest_ms"] = round(float(waits.max()) * 1e3, 1) if len(waits) else None
        moved["outage_s"] = longest_within(found, moved["stopped_s"], moved["healthy_s"])
        steps.append(moved)
    return steps


def _asked(row: dict[str, Any], operations: Operations, end_s: float) -> None:
    """Count what clients asked while the fault was being injected or in force: until its healing began."""
    until = row["heal_began_s"] if row["heal_began_s"] is not None else end_s
    inside = (operations.begin_s >= row["began_s"]) & (operations.begin_s < until)
    row["asked"] = int(inside.sum())
    known = dict(operations.by_node())
    row["unasked"] = [node for node in row["nodes"] if node in known and not inside[known[node]].any()]


def _effects(row: dict[str, Any], operations: Operations, found: list[Stretch], end_s: float) -> None:
    """Add the share served during the fault, the longest outage it touched, and the time to recovery after it."""
    served = served_mask(operations) & np.isfinite(operations.end_s)
    until = row["healed_s"] if row["healed_s"] is not None else end_s
    during = (operations.begin_s >= row["began_s"]) & (operations.begin_s < until)
    row["availability"] = round(float(served[during].mean()), 4) if during.any() else None
    row["outage_s"] = longest_within(found, row["began_s"], until) if during.any() else None
    row["recovery_s"] = None
    if row["healed_s"] is None:
        return
    known = dict(operations.by_node())
    slowest = 0.0
    for node in row["nodes"]:
        if node not in known:
            continue
        mine = known[node][served[known[node]] & (operations.begin_s[known[node]] >= row["healed_s"])]
        if not len(mine):
            return
        slowest = max(slowest, float(operations.end_s[mine].min()) - row["healed_s"])
    row["recovery_s"] = round(slowest, 3)
