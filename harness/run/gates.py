"""Did enough happen? A run that did too little work, or whose faults never bit, is inconclusive: never a pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from quorate.harness.core.results import Counts, FaultRow, Gate, Statistics
from quorate.harness.core.settings import about
from quorate.harness.core.system import Planted


class Thresholds(msgspec.Struct, frozen=True):
    """How much is enough; each can be lowered with `--set gate.NAME=VALUE` where a short run is meant."""

    operations: Annotated[int, about("operations that must succeed", ge=0)] = 50
    success: Annotated[float, about("share of operations that must succeed", ge=0, le=1)] = 0.1
    each_function: Annotated[int, about("successes of each kind of operation", ge=0)] = 1
    under_fault: Annotated[int, about("operations asked while a fault is in force", ge=0)] = 5


def gates(
    statistics: Statistics,
    faults: Sequence[FaultRow],
    *,
    functions: Sequence[str],
    faults_asked: Sequence[str],
    thresholds: Thresholds,
    final_reads: bool | None,
    planted: Planted | None = None,
) -> list[Gate]:
    """Judge the amount of work, not its correctness.

    `functions` must each have succeeded; every family in `faults_asked` must have bitten at least once, with its proof
    and while clients asked, its own nodes too; `final_reads` is whether an operation succeeded after the last heal,
    None where the workload has no such; a `planted` bug must have acted.
    """
    ok, total = statistics.ok, statistics.operations
    share = ok / total if total else 0.0
    found = [
        Gate(
            "operations",
            ok >= thresholds.operations,
            f"{ok} operations succeeded, {thresholds.operations} are needed",
        ),
        Gate(
            "success",
            share >= thresholds.success,
            f"{share:.0%} of {total} succeeded, {thresholds.success:.0%} is needed",
        ),
    ]
    for function in functions:
        done = statistics.by_function.get(function, Counts()).ok
        text = f"{done} {function} operations succeeded, {thresholds.each_function} is needed"
        found.append(Gate(f"function {function}", done >= thresholds.each_function, text))
    found += [
        _bitten(fault, [row for row in faults if row.fault == fault], thresholds)
        for fault in dict.fromkeys(faults_asked)
    ]
    if planted is not None:
        text = f"the bug {planted.bug} acted {_times(planted.acts)}"
        found.append(Gate("bug", planted.acts > 0, text))
    if final_reads is not None:
        text = (
            "operations succeed after the last heal"
            if final_reads
            else "nothing succeeded after the last heal"
        )
        found.append(Gate("recovery", final_reads, text))
    return found


def _bitten(fault: str, tries: Sequence[FaultRow], thresholds: Thresholds) -> Gate:
    """Whether at least one injection was proved and met by clients, on every node of it that clients are pinned to."""
    proved = [row for row in tries if row.outcome == "ok"]
    text = f"{fault} was injected {_times(len(tries))}, proved {_times(len(proved))}"
    if not proved:
        error = tries[-1].error if tries else None
        text += f" ({error[-1]})" if error else ""
        return Gate(f"fault {fault}", holds=False, text=text)
    met = [row for row in proved if row.asked >= thresholds.under_fault]
    if not met:
        most = max(row.asked for row in proved)
        text += f", but {most} operations began while it was in force, {thresholds.under_fault} are needed"
        return Gate(f"fault {fault}", holds=False, text=text)
    if thresholds.under_fault and all(row.unasked for row in met):
        text += f", but {' and '.join(met[0].unasked)} had no operation while it was in force"
        return Gate(f"fault {fault}", holds=False, text=text)
    return Gate(f"fault {fault}", holds=True, text=f"{text}, met by clients {_times(len(met))}")


def _times(number: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number} times")
