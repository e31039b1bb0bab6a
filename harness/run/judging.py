"""The offline half of a run: from the recorded history to `results.json`. Needs no cluster, can be done again."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from quorate.harness.core import statistics, store
from quorate.harness.core.exits import Exit
from quorate.harness.core.results import FaultRow, Gate, Outages, Results, Statistics
from quorate.harness.core.test import Test
from quorate.harness.core.verdict import Limits, Result, Verdict
from quorate.harness.core.workload import Workload
from quorate.harness.history import History, operations
from quorate.harness.history.operations import Operations
from quorate.harness.run import (
    backups,
    divergence,
    dues,
    objectives,
    outages,
    standstill,
    staying,
    weakness,
)
from quorate.harness.run.checking import check_within
from quorate.harness.run.conducted import Conducted
from quorate.harness.run.gates import Thresholds, gates
from quorate.harness.run.injections import faults as injections
from quorate.harness.run.settings import judges_strictly

log = logging.getLogger(__name__)

# Phases after which nothing of a run is missing that its verdict needs.
COMPLETE = ("end",)


class _Figures(NamedTuple):
    """What a history says in numbers: `asked` is what the service had a part in, `gone` the outages."""

    numbers: Statistics
    faults: list[FaultRow]
    asked: Operations
    gone: Outages
    end_s: float


def judge(
    test: Test,
    folder: Path,
    workload: Workload,
    thresholds: Thresholds,
    faults_asked: Sequence[str],
    conducted: Conducted,
    news: Callable[[str], None] = lambda _: None,
    *,
    interrupted: Callable[[], bool] = lambda: False,
) -> Results:
    """Check the history of the folder and return what was found; also writes the counterexample."""
    if conducted.error is not None and conducted.reached == "prepare" and not conducted.interrupted:
        return _could_not_run(conducted, conducted.error)
    history = History.read(folder)
    limits = Limits(time_s=test.check_time, memory_bytes=test.check_memory)
    results = []
    for checker in workload.must_hold:
        news(checker.name)
        results.append(check_within(checker, history, limits, interrupted))
    results = standstill.excused(results, workload, conducted)
    figures = _figures(history, conducted)
    end_s = figures.end_s
    results += _beside_the_checkers(test, folder, figures, conducted)
    found = backups.judge(folder, history, faults_asked, limits.time_s)
    results += [] if found is None else [found]
    passed = gates(
        figures.numbers,
        figures.faults,
        functions=workload.functions,
        faults_asked=faults_asked,
        thresholds=thresholds,
        final_reads=_final_reads(conducted, figures.faults),
        planted=conducted.planted,
    )
    awake = standstill.gate(conducted)
    passed += [] if awake.holds else [awake]
    verdict, code, reason = conclude(results, passed, conducted, clients=test.clients)
    _write_counterexample(folder, history, results)
    return Results(
        verdict=verdict,
        exit_code=code,
        reason=reason,
        release=conducted.release,
        guarantees=results,
        statistics=figures.numbers,
        faults=figures.faults,
        availability=statistics.availability(figures.asked, 0.0, end_s),
        outages=figures.gone,
        unavailable=outages.by_node(figures.gone),
        recovery_s=conducted.recovery_s,
        weak_reads=weakness.told(workload.weak, results, strict=judges_strictly(test)),
        gates=passed,
        loop_lag_ms=_lag(conducted),
        leaders=conducted.leaders,
        deaths=conducted.deaths,
        timings_s=conducted.timings_s,
        interrupted=conducted.interrupted,
        truncated=history.truncated,
    )


def _could_not_run(conducted: Conducted, reason: str) -> Results:
    """What broke before the load asked nothing of the service: only the reason is reported, no guarantees."""
    return Results(
        Verdict.UNKNOWN, Exit.BROKEN, reason, release=conducted.release, timings_s=conducted.timings_s
    )


def _final_reads(conducted: Conducted, faults: Sequence[FaultRow]) -> bool | None:
    """Whether an operation succeeded after the last heal; None where the workload reads nothing then."""
    if conducted.final is not None:
        return conducted.final.ok > 0
    if conducted.recovered or not faults:
        return None
    return False


def _figures(history: History, conducted: Conducted) -> _Figures:
    every = operations.of(history.columns)
    asked = every.reached()
    times = history.columns.time
    end_s = conducted.main_end_s or (float(times[-1]) / 1e9 if len(times) else 0.0)
    numbers = _with_due(statistics.summarise(every, end_s), conducted)
    faults, gone = injections(history, asked, end_s), outages.summary(asked, end_s)
    return _Figures(numbers, faults, asked, gone, end_s)


def _beside_the_checkers(test: Test, folder: Path, figures: _Figures, conducted: Conducted) -> list[Result]:
    """Judge what is not in the history alone: replicas, servers, objectives."""
    results = []
    agreement = divergence.judge(divergence.kept(folder))
    if agreement is not None:
        results.append(agreement)
    if conducted.main_end_s is not None:
        started = conducted.history_started
        agreed = agreement is not None and agreement.verdict is Verdict.VALID
        results.append(staying.judge(folder, conducted.deaths, figures.faults, started, agreed=agreed))
    return results + objectives.judge(
        objectives.read(test.settings, has_faults=True),
        faults=figures.faults,
        outages=figures.gone,
        latency_ms=conducted.latency_due_ms.get(dues.ALL) or figures.numbers.latency_ms,
    )


def conclude(
    results: Sequence[Result], passed: Sequence[Gate], conducted: Conducted, *, clients: int
) -> tuple[Verdict, Exit, str]:
    """Return verdict, exit code and one sentence: the worst news wins (anomaly, broken, inconclusive, valid)."""
    for result in results:
        if result.verdict is Verdict.INVALID:
            sentence = result.anomalies[0].sentence if result.anomalies else result.reason
            return Verdict.INVALID, Exit.ANOMALY, f"{result.guarantee} is violated: {sentence}"
    cut = _cut_short(conducted)
    if cut is not None:
        return (Verdict.UNKNOWN, *cut)
    missed = [gate for gate in passed if not gate.holds]
    if missed:
        return Verdict.UNKNOWN, Exit.UNKNOWN, "inconclusive: " + "; ".join(gate.text for gate in missed)
    unsure = [result for result in results if result.verdict is Verdict.UNKNOWN]
    if unsure:
        return (
            Verdict.UNKNOWN,
            Exit.UNKNOWN,
            f"{unsure[0].guarantee} could not be decided: {unsure[0].reason}",
        )
    names = [result.guarantee for result in results]
    held = " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
    # Lost writes still show; races, two holders and most stale reads need somebody else.
    alone = (
        "; with one client no two operations were concurrent, so this shows little" if clients == 1 else ""
    )
    return Verdict.VALID, Exit.VALID, f"{held} held in everything that clients saw{alone}"


def _with_due(numbers: Statistics, conducted: Conducted) -> Statistics:
    """Add latencies from the moment operations were due beside those from their call."""
    due = conducted.latency_due_ms
    return msgspec.structs.replace(
        numbers,
        latency_due_ms=due.get(dues.ALL, {}),
        by_function={
            name: msgspec.structs.replace(counts, latency_due_ms=due.get(name, {}))
            for name, counts in numbers.by_function.items()
        },
    )


def _cut_short(conducted: Conducted) -> tuple[Exit, str] | None:
    """Return the exit code and the reason of a run that did not come to its end, None where it did."""
    if conducted.interrupted:
        return Exit.INTERRUPTED, "interrupted: no anomaly in what was recorded until then"
    if conducted.error is not None:
        return Exit.BROKEN, conducted.error
    if conducted.reached not in COMPLETE:
        phase = conducted.reached
        return (
            Exit.UNKNOWN,
            f"the run was ended in its phase {phase}: no anomaly in what it recorded until then",
        )
    return None


def _lag(conducted: Conducted) -> Mapping[str, float]:
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
    from quorate.checkers.transactions_counterexample import encoded  # noqa: PLC0415 - only where something is judged

    path = folder / store.COUNTEREXAMPLE
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    for result in results:
        for anomaly in result.anomalies:
            if anomaly.events:
                try:
                    path.write_bytes(encoded(history, result, anomaly))
                except OSError as error:
                    log.error("cannot write %s: %s", path, error)
                return
