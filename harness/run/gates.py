"""Did enough happen? A run that did too little work, or whose faults never bit, is inconclusive: never a pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class Gate(msgspec.Struct, frozen=True):
    """One condition without which a valid verdict would prove nothing."""

    name: str
    holds: bool
    text: str


class Thresholds(msgspec.Struct, frozen=True):
    """How much is enough; each can be lowered with `--set gate.NAME=VALUE` where a short run is meant."""

    operations: int = 50
    success: float = 0.1
    each_function: int = 1


def gates(
    statistics: Mapping[str, Any],
    faults: Sequence[Mapping[str, Any]],
    *,
    functions: Sequence[str],
    faults_asked: Sequence[str],
    thresholds: Thresholds,
    final_reads: bool | None,
) -> list[Gate]:
    """Judge the amount of work, not its correctness.

    `functions` must each have succeeded; every family in `faults_asked` must have bitten, with its proof, at least
    once; `final_reads` is whether an operation succeeded after the last heal, None where the workload has no such.
    """
    ok, total = statistics["ok"], statistics["operations"]
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
        done = statistics["by_function"].get(function, {}).get("ok", 0)
        text = f"{done} {function} operations succeeded, {thresholds.each_function} is needed"
        found.append(Gate(f"function {function}", done >= thresholds.each_function, text))
    for fault in dict.fromkeys(faults_asked):
        tries = [row for row in faults if row["fault"] == fault]
        bit = sum(1 for row in tries if row["outcome"] == "ok")
        text = f"{fault} was injected {_times(len(tries))}, proved {_times(bit)}"
        found.append(Gate(f"fault {fault}", bit > 0, text))
    if final_reads is not None:
        text = (
            "operations succeed after the last heal"
            if final_reads
            else "nothing succeeded after the last heal"
        )
        found.append(Gate("recovery", final_reads, text))
    return found


def _times(number: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number} times")
