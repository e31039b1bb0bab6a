"""What a run has reached: the states by which a hunt tells whether a draw led somewhere new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from quorate.harness.core import store
from quorate.harness.core.outcome import Broken
from quorate.harness.experiments.signature import Signature
from quorate.harness.hunt import loglines


def bucket(count: float) -> str:
    """Return a number as one of few: 0, 1, 2, 4, 8, …, so that one more is rarely news."""
    return "0" if count < 1 else str(1 << (int(count).bit_length() - 1))


def of_results(results: Mapping[str, Any], signatures: Iterable[Signature]) -> set[str]:
    """Return the states that `results.json` tells of."""
    found = {f"anomaly {one}" for one in signatures}
    leaders = results.get("leaders") or ()
    found.add(f"leaders {bucket(len(leaders))}")
    found.add(f"leading nodes {len({one.get('node') for one in leaders})}")
    for gate in results.get("gates") or ():
        if not gate.get("holds"):
            found.add(f"gate {gate.get('name')}")
    for row in results.get("faults") or ():
        found.add(f"fault {row.get('fault')} {row.get('target')} {row.get('outcome')}")
        for key in ("point", "mode", "then", "kind", "way"):
            if key in (row.get("detail") or {}):
                found.add(f"fault {row.get('fault')} {key} {row['detail'][key]}")
    numbers = results.get("statistics") or {}
    for function, counts in (numbers.get("by_function") or {}).items():
        for outcome in ("ok", "fail", "info"):
            if counts.get(outcome):
                found.add(f"operation {function} {outcome} {bucket(counts[outcome])}")
    found.add(f"recovery {bucket(10 * (results.get('recovery_s') or 0.0))}")
    found.add(f"outage {bucket(10 * ((results.get('outages') or {}).get('longest_s') or 0.0))}")
    found.update(f"death of {row.get('node')}" for row in results.get("deaths") or ())
    return found


def of_logs(folder: Path) -> dict[str, int]:
    """Return what the servers said under load, and how often."""
    try:
        since = str(store.read_json(folder, store.TEST).get("history_started") or "")
    except Broken:
        since = ""
    return dict(loglines.counted(folder, since))
