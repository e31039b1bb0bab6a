"""What a run has reached: the states by which a hunt knows whether a draw led somewhere new."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from quorate.harness.core import record
from quorate.harness.core.outcome import Broken
from quorate.harness.core.results import Results
from quorate.harness.core.signature import Signature
from quorate.harness.hunt import loglines


def bucket(count: float) -> str:
    """Return a number as one of few: 0, 1, 2, 4, 8, …, so that one more is rarely news."""
    return "0" if count < 1 else str(1 << (int(count).bit_length() - 1))


def of_results(results: Results, signatures: Iterable[Signature]) -> set[str]:
    """Return the states that the results of a run show."""
    found = {f"anomaly {one}" for one in signatures}
    found.add(f"leaders {bucket(len(results.leaders))}")
    found.add(f"leading nodes {len({one.node for one in results.leaders})}")
    found.update(f"gate {gate.name}" for gate in results.gates if not gate.holds)
    for row in results.faults:
        found.add(f"fault {row.fault} {row.target} {row.outcome}")
        for key in ("point", "mode", "then", "kind", "way"):
            if key in row.detail:
                found.add(f"fault {row.fault} {key} {row.detail[key]}")
    for function, counts in results.statistics.by_function.items():
        for outcome, count in (("ok", counts.ok), ("fail", counts.fail), ("info", counts.info)):
            if count:
                found.add(f"operation {function} {outcome} {bucket(count)}")
    found.add(f"recovery {bucket(10 * (results.recovery_s or 0.0))}")
    found.add(f"outage {bucket(10 * results.outages.longest_s)}")
    found.update(f"death of {row.node}" for row in results.deaths)
    return found


def of_logs(folder: Path) -> dict[str, int]:
    """Return what the servers said under load, and how often."""
    try:
        since = record.read(folder).history_started or ""
    except Broken:
        since = ""
    return dict(loglines.counted(folder, since))
