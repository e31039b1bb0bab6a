"""Verdict and explanation in a terminal, readable at 80 columns, with or without colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from quorate.harness.core.outcome import Broken
from quorate.harness.core.results import Results
from quorate.harness.core.verdict import Result, Verdict
from quorate.reports import evidence, stored, weakness, why, words
from quorate.reports.stored import StoredRun
from quorate.reports.terminal_anomaly import show_anomaly, show_why
from quorate.reports.terminal_text import Writer, clean

WIDTH_LEAST: Final = 40
_OF_VERDICT: Final = {Verdict.VALID: "green", Verdict.INVALID: "red", Verdict.UNKNOWN: "yellow"}
_ANOMALIES_SHOWN: Final = 3


def write(run_folder: Path, *, width: int = 80, colour: bool = False, results: Results | None = None) -> str:
    """Return the verdict of a stored run and the explanation of its anomalies, as lines of at most `width` letters.

    `results` stand in for results.json where a run has just ended and may not have been able to write it.
    Raises `Broken` where the folder is missing. Damaged parts are said, and the rest is there.
    """
    if not run_folder.is_dir():
        raise Broken("report", f"no run at {run_folder}")
    run = stored.read(run_folder, results=results)
    return render(run, width=width, colour=colour)


def render(run: StoredRun, *, width: int = 80, colour: bool = False) -> str:
    """Return the same for a run that has been read."""
    writer = Writer(max(WIDTH_LEAST, width), colour)
    _head(writer, run)
    for result in run.results.guarantees:
        _guarantee(writer, result)
    shown = evidence.chosen(run.results.guarantees)
    for result, anomaly in shown[:_ANOMALIES_SHOWN]:
        show_anomaly(writer, run, anomaly, result.model)
        show_why(writer, why.sentences(run, result, anomaly))
    if len(shown) > _ANOMALIES_SHOWN:
        writer.line(
            f"… {words.plural(len(shown) - _ANOMALIES_SHOWN, 'more anomaly', 'more anomalies')} in results.json"
        )
    _work(writer, run)
    _weak(writer, run)
    _faults(writer, run)
    _deaths(writer, run)
    for problem in run.problems:
        writer.line(f"note: {problem}", "yellow", hang=6)
    _tail(writer, run)
    return "\n".join(writer.lines) + "\n"


def _head(writer: Writer, run: StoredRun) -> None:
    colour = "red" if run.could_not_run else _OF_VERDICT[run.results.verdict]
    writer.line(f"{run.sign} {run.outcome.upper()}  {run.headline}", colour)
    writer.line(run.results.reason, "bold")
    if run.results.interrupted:
        writer.line("The run was interrupted; what it had recorded by then was judged.", "yellow")
    writer.line(f"{words.plain(run.system)} · {run.name}", "dim")
    given = stored.given(run)
    if given:
        writer.line("with " + ", ".join(given), "dim", hang=5)
    if run.results.weak_reads is not None:
        writer.line(weakness.promise(run.results.weak_reads), "yellow")
        writer.lines.append("  " + clean(run.results.weak_reads.link))
    if run.tuning:
        writer.line(f"tuning: {run.tuning}", "dim", hang=8)
    writer.blank()


def _guarantee(writer: Writer, result: Result) -> None:
    said = {Verdict.VALID: "held", Verdict.INVALID: "was broken", Verdict.UNKNOWN: "could not be decided"}
    text = f"{words.SIGNS[result.verdict]} {result.guarantee} {said[result.verdict]}"
    if result.anomalies:
        text += ": " + ", ".join(dict.fromkeys(anomaly.name for anomaly in result.anomalies[:5]))
    elif result.reason and result.verdict != Verdict.VALID:
        text += f": {result.reason}"
    elif result.operations:
        text += f" over {words.plural(result.operations, 'operation')}"
    writer.line(text, _OF_VERDICT[result.verdict], hang=2)


def _work(writer: Writer, run: StoredRun) -> None:
    counts = run.results.statistics
    if run.could_not_run and not counts.operations:
        return
    writer.blank()
    rate = f", {words.count(counts.rate_per_s)} ok a second" if counts.rate_per_s else ""
    total = words.plural(counts.operations, "operation")
    writer.line(f"{total}: {counts.ok:,} ok, {counts.fail:,} failed, {counts.info:,} unknown{rate}")
    for name, row in counts.by_function.items():
        marks = [
            f"{mark} {_short(row.latency_ms[mark])}" for mark in ("p50", "p99") if mark in row.latency_ms
        ]
        # From the moment an operation was due: what a caller at this rate would have waited.
        marks += [f"(due {_short(row.latency_due_ms['p99'])})"] if "p99" in row.latency_due_ms else []
        latency = f"  {' '.join(marks)} ms" if marks else ""
        writer.cut(
            f"  {words.cut(name, 10):<10} {row.ok:>6,} ok {row.fail:>5,} failed {row.info:>4,} unknown{latency}"
        )
    for gate in run.results.gates:
        if not gate.holds:
            writer.line(f"✗ not enough: {gate.name}: {gate.text}", "yellow", hang=2)
    if run.results.availability:
        shares = ", ".join(f"{node} {words.share(value)}" for node, value in run.results.availability.items())
        writer.line(f"served: {shares}", hang=8)


def _short(latency_ms: float) -> str:
    """Three digits are enough to compare by, and leave room for the others on a line."""
    whole = 100
    return f"{latency_ms:.0f}" if latency_ms >= whole else f"{latency_ms:.1f}"


def _weak(writer: Writer, run: StoredRun) -> None:
    """How old weak reads were, and behind which faults they were oldest."""
    for one in run.results.weak_reads.staleness if run.results.weak_reads is not None else ():
        writer.line(f"staleness: {weakness.figures(one)}", hang=11)
        for row in weakness.worst(one):
            writer.line(weakness.behind(row), "dim", indent=4, hang=2)


def _faults(writer: Writer, run: StoredRun) -> None:
    most, long_s = 12, 0.5
    for row in run.results.faults[:most]:
        proof = row.proof
        sign = "✓" if proof is not None and proof.holds else "✗"
        text = f"{sign} {row.fault} on {', '.join(row.nodes) or '?'}, {stored.when(row)}"
        cost = [] if row.availability is None else [f"{words.share(row.availability)} served"]
        cost += [] if (row.outage_s or 0) < long_s else [f"nothing served for {words.duration(row.outage_s)}"]
        cost += [] if row.recovery_s is None else [f"recovered in {words.duration(row.recovery_s)}"]
        writer.line("; ".join([text, *cost]), hang=4)
        writer.line(
            f"proof: {stored.proof_of(row)}",
            "dim" if sign == "✓" else "yellow",
            indent=4,
            hang=2,
        )
        for step in row.steps:
            writer.line(stored.told(step), "dim", indent=4, hang=2)
    if len(run.results.faults) > most:
        writer.line(f"… and {words.plural(len(run.results.faults) - most, 'more fault')} in results.json")


def _deaths(writer: Writer, run: StoredRun) -> None:
    most = 12
    for death in run.results.deaths[:most]:
        writer.line(
            f"✗ the server of {death.node} ended by itself at {words.seconds(death.time_s)}"
            + (f": {death.how}" if death.how else ""),
            "red",
            hang=2,
        )


def _tail(writer: Writer, run: StoredRun) -> None:
    command: Any = run.test.get("command")
    writer.blank()
    if command:
        # Left whole, however long: it is there to be copied.
        writer.lines.append("repeat: " + clean(str(command)))
    writer.lines.append(f"folder: {run.folder}")
