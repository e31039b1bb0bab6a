"""A run's journal as operations and faults, whole or damaged."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from quorate.harness.core.store import HISTORY
from quorate.harness.history import History, HistoryError, NativeMissingError
from quorate.harness.history.event import Event
from quorate.reports import operations, salvage
from quorate.reports.operations import Operations


def read(folder: Path, problems: list[str]) -> tuple[Operations, list[dict[str, Any]]]:
    """Return a run's operations, and the faults that its nemesis recorded, in the shape of `results.json`."""
    path = folder / HISTORY
    if path.exists() and not path.is_file():
        problems.append(f"{HISTORY} is no regular file and was not read")
        return operations.none(), []
    if not path.exists():
        problems.append(f"{HISTORY} is not there: there are no operations to show")
        return operations.none(), []
    try:
        history = History.read(path)
        found = operations.of(history)
    except HistoryError as error:
        problems.append(f"{HISTORY} is damaged; what can still be read of it is shown: {error}")
        found, events = salvage.read(path, problems)
        return found, _faults(events)
    except (NativeMissingError, OSError) as error:
        problems.append(f"{HISTORY} was read the slow way, without the native core ({error})")
        found, events = salvage.read(path, problems)
        return found, _faults(events)
    if history.truncated:
        problems.append(
            f"{HISTORY} was cut short, as when the writer is killed; everything before that is shown"
        )
    return found, _faults(pair.completion for pair in history.nemesis() if pair.completion is not None)


def _faults(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Pair injections with healings, for runs that were never judged; the shape is that of `results.json`."""
    rows: list[dict[str, Any]] = []
    in_force: dict[str, dict[str, Any]] = {}
    for event in events:
        value = event.value
        if not isinstance(value, dict):
            continue
        plan = value.get("plan")
        plan = plan if isinstance(plan, dict) else {}
        if value.get("action") == "inject":
            nodes = plan.get("nodes")
            row = {
                "fault": event.f,
                "target": str(plan.get("target") or value.get("target") or ""),
                "nodes": [str(node) for node in nodes] if isinstance(nodes, list) else [],
                "injected_s": event.time / 1e9,
                "outcome": event.type,
                "proof": _proof(value),
            }
            rows.append(row)
            in_force[event.f] = row
        elif value.get("action") == "heal" and event.f in in_force:
            row = in_force.pop(event.f)
            row["healed_s"] = event.time / 1e9
            row["healed_proof"] = _proof(value)
    return rows


def _proof(value: dict[str, Any]) -> dict[str, Any] | None:
    proof = value.get("proof")
    if not isinstance(proof, dict):
        return None
    return {"holds": proof.get("holds") is True, "text": str(proof.get("text", ""))}
