"""What must hold where reads are promised to be less than linearizable: updates as ever, reads by their own promise."""

from __future__ import annotations

from quorate.checkers.linearizable import Linearizable
from quorate.checkers.only import Only
from quorate.checkers.stale_reads import StaleReads
from quorate.checkers.versions import VersionsNeverRegress
from quorate.checkers.weak_states import STATES
from quorate.harness.core.verdict import Checker
from quorate.harness.core.workload import WorkloadOptions


def must_hold(
    options: WorkloadOptions, model: str, *beside: Checker, versions: bool = True
) -> tuple[Checker, ...]:
    """Return the guarantees over keys of one model: linearizable, and `beside`; or, where reads are weak, what is left.

    Then compare-and-sets and writes alone are judged as linearizable, and versions of updates by real time.
    """
    weak = options.weak
    if weak is None:
        return (Linearizable(model=model, per_key=True), *beside)
    updates = STATES[model].updates
    reads = StaleReads(
        model=model, monotonic=weak.monotonic, own_writes=weak.own_writes, bound_s=weak.bound_s
    )
    kept: list[Checker] = [VersionsNeverRegress()] if versions else []
    if "cas" in updates and model == "cas-register":  # without reads, writes alone contradict nothing
        kept.append(Linearizable(model=model, per_key=True))
    return (reads, *(Only(updates, each) for each in kept))
