"""The offline half of a run: from the recorded history to `results.json`. Needs no cluster, can be done again."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from quorate.harness.core import counterexample, store
from quorate.harness.core.test import Test
from quorate.harness.core.verdict import Checker, Limits, Result, Verdict
from quorate.harness.core.workload import Workload
from quorate.harness.history import History
from quorate.harness.run import divergence, statistics
from quorate.harness.run.conduct import Conducted
from quorate.harness.run.gates import Gate, Thresholds, gates

log = logging.getLogger(__name__)

VALID, ANOMALY, UNKNOWN, BROKEN, INTERRUPTED = 0, 1, 2, 3, 130
_LOG_LINES = 8


def judge(
    test: Test,
    folder: Path,
    workload: Workload,
    thresholds: Thresholds,
    faults_asked: Sequence[str],
    conducted: Conducted,
    news: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Check the history of the folder and return what `results.json` holds; also writes the counterexample."""
    history = History.read(folder)
    limits = Limits(time_s=test.check_time, memory_bytes=test.check_memory)
    results = []
    for checker in workload.must_hold:
        news(checker.name)
        results.append(_checked(checker, history, limits))
    agreement = divergence.judge(divergence.kept(folder))
    if agreement is not None:
        results.append(agreement)
    operations = statistics.Operations(history.columns)
    times = history.columns.time
    end_s = conducted.main_end_s or (float(times[-1]) / 1e9 if len(times) else 0.0)
    numbers = statistics.summarise(operations, end_s)
    faults = statistics.faults(history, operations, end_s)
    final = None if conducted.final is None else conducted.final.ok > 0
    passed = gates(
        numbers,
        faults,
        functions=workload.functions,
        faults_asked=faults_asked,
        thresholds=thresholds,
        final_reads=final if conducted.recovered or conducted.final else False if faults else final,
    )
    verdict, code, reason = conclude(results, passed, conducted, died(folder, conducted.deaths))
    _write_counterexample(folder, history, results)
    return {
        "verdict": verdict,
        "exit_code": code,
        "reason": reason,
        "release": conducted.release,
        "guarantees": [msgspec.to_builtins(result) for result in results],
        "statistics": numbers,
        "faults": faults,
        "availability": statistics.availability(operations, 0.0, end_s),
        "unavailable": statistics.unavailable(operations, end_s),
        "recovery_s": conducted.recovery_s,
        "gates": [msgspec.to_builtins(gate) for gate in passed],
        "loop_lag_ms": _lag(conducted),
        "leaders": conducted.leaders,
        "deaths": conducted.deaths,
        "timings_s": conducted.timings_s,
        "interrupted": conducted.interrupted,
        "truncated": history.truncated,
    }


def _checked(checker: Checker, history: History, limits: Limits) -> Result:
    begun, cpu = time.monotonic(), time.process_time()
    result = checker.check(history, limits)
    log.info("%s: %s %s", checker.name, result.verdict, result.reason)
    if result.time_s:
        return result
    return msgspec.structs.replace(
        result, time_s=round(time.monotonic() - begun, 4), cpu_s=round(time.process_time() - cpu, 4)
    )


def died(folder: Path, deaths: Sequence[Mapping[str, Any]]) -> str | None:
    """Say which server ended by itself, with the last lines of its log; None where none did."""
    if not deaths:
        return None
    first = deaths[0]
    logs = sorted((folder / "nodes" / first["node"]).glob("*.log"))
    lines = (
        logs[0].read_text(errors="replace").splitlines()[-_LOG_LINES:] if logs else ["(no log was fetched)"]
    )
    told = "\n".join(lines)
    return (
        f"the server on {first['node']} ended by itself at {first['time_s']:.1f} s, no fault did it:\n{told}"
    )


def conclude(
    results: Sequence[Result], passed: Sequence[Gate], conducted: Conducted, death: str | None = None
) -> tuple[str, int, str]:
    """Return verdict, exit code and one sentence: the worst news wins (anomaly, broken, inconclusive, valid)."""
    for result in results:
        if result.verdict is Verdict.INVALID:
            sentence = result.anomalies[0].sentence if result.anomalies else result.reason
            return "invalid", ANOMALY, f"{result.guarantee} is violated: {sentence}"
    if conducted.interrupted:
        return "unknown", INTERRUPTED, "interrupted: no anomaly in what was recorded until then"
    if conducted.error is not None or death is not None:
        return "unknown", BROKEN, conducted.error or death or ""
    missed = [gate for gate in passed if not gate.holds]
    if missed:
        return "unknown", UNKNOWN, "inconclusive: " + "; ".join(gate.text for gate in missed)
    unsure = [result for result in results if result.verdict is Verdict.UNKNOWN]
    if unsure:
        return "unknown", UNKNOWN, f"{unsure[0].guarantee} could not be decided: {unsure[0].reason}"
    names = [result.guarantee for result in results]
    held = " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
    return "valid", VALID, f"{held} held in everything that clients saw"


def _lag(conducted: Conducted) -> Mapping[str, Any]:
    main = conducted.main
    if main is None:
        return {}
    return {
        "p50": round(main.lag_ms_p50, 3),
        "p99": round(main.lag_ms_p99, 3),
        "max": round(main.lag_ms_max, 3),
    }


def _write_counterexample(folder: Path, history: History, results: Sequence[Result]) -> None:
    """Write the events of the first anomaly in the exchange format; a run without one leaves no such file."""
    path = folder / store.COUNTEREXAMPLE
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    for result in results:
        for anomaly in result.anomalies:
            if anomaly.events:
                path.write_bytes(counterexample.encoded(history, anomaly))
                return
