"""Verdict and explanation in a terminal, readable at 80 columns, with or without colours."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from quorate.harness.core.outcome import Broken
from quorate.harness.core.results import Results
from quorate.harness.core.verdict import Anomaly, Result, Verdict
from quorate.harness.history.operations import NEVER
from quorate.reports import evidence, holds, lists, moments, stored, weakness, why, words
from quorate.reports.evidence import Drawn
from quorate.reports.stored import StoredRun

WIDTH_LEAST: Final = 40
_COLOURS: Final = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}
_OF_VERDICT: Final = {Verdict.VALID: "green", Verdict.INVALID: "red", Verdict.UNKNOWN: "yellow"}
_OPERATIONS_SHOWN: Final = 16
_ANOMALIES_SHOWN: Final = 3
_SENTENCES_SHOWN: Final = 8
_LINES_SHOWN: Final = 4
# What a log line or a value may not do to somebody's terminal: move the cursor, change colours, ring the bell.
_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


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
    writer = _Writer(max(WIDTH_LEAST, width), colour)
    _head(writer, run)
    for result in run.results.guarantees:
        _guarantee(writer, result)
    shown = evidence.chosen(run.results.guarantees)
    for result, anomaly in shown[:_ANOMALIES_SHOWN]:
        _anomaly(writer, run, anomaly, result.model)
        _why(writer, why.sentences(run, result, anomaly))
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


class _Writer:
    """Collects lines, wrapped and cleaned; a colour is put on only where it was asked for."""

    def __init__(self, width: int, colour: bool) -> None:  # noqa: FBT001
        self.width, self.colour = width, colour
        self.lines: list[str] = []

    def line(self, text: str, colour: str = "", *, indent: int = 0, hang: int = 0) -> None:
        """Add a text, wrapped; the lines after the first stand `hang` further in."""
        wrapped = textwrap.wrap(
            clean(text), self.width, initial_indent=" " * indent, subsequent_indent=" " * (indent + hang)
        )
        self.lines += [self.paint(line, colour) for line in wrapped] or [""]

    def cut(self, text: str, colour: str = "") -> None:
        """Add a text as one line, shortened where it does not fit."""
        self.lines.append(self.paint(words.cut(clean(text), self.width), colour))

    def blank(self) -> None:
        """Add an empty line, but never two."""
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self.colour and colour else text


def clean(text: str) -> str:
    """Take out what would steer a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\t", " ").replace("\n", " "))


def _head(writer: _Writer, run: StoredRun) -> None:
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


def _guarantee(writer: _Writer, result: Result) -> None:
    said = {Verdict.VALID: "held", Verdict.INVALID: "was broken", Verdict.UNKNOWN: "could not be decided"}
    text = f"{words.SIGNS[result.verdict]} {result.guarantee} {said[result.verdict]}"
    if result.anomalies:
        text += ": " + ", ".join(dict.fromkeys(anomaly.name for anomaly in result.anomalies[:5]))
    elif result.reason and result.verdict != Verdict.VALID:
        text += f": {result.reason}"
    elif result.operations:
        text += f" over {words.plural(result.operations, 'operation')}"
    writer.line(text, _OF_VERDICT[result.verdict], hang=2)


def _anomaly(writer: _Writer, run: StoredRun, anomaly: Anomaly, model: str | None) -> None:
    writer.blank()
    key = "" if anomaly.key is None else f" · key {evidence.json_text(anomaly.key).strip(chr(34))}"
    writer.line(f"{anomaly.name}{key}", "red")
    if anomaly.sentence not in run.results.reason:
        writer.line(anomaly.sentence, indent=2)
    rows, missing = evidence.drawn(anomaly, run.operations, _OPERATIONS_SHOWN)
    _moment(writer, run, anomaly, next((row for row in rows if row.culprit), None))
    edges, legend = evidence.cycle_of(anomaly, rows)
    if edges:
        rows = evidence.without_culprit(rows)
        writer.blank()
    _beside(writer, run, anomaly, model, rows, (edges, legend))
    if rows:
        writer.blank()
        for text, marked in lanes(rows, writer.width - 2):
            writer.cut("  " + text, "red" if marked else "")
        writer.blank()
        _operations(writer, rows, missing)
    culprit = next((row for row in rows if row.culprit), None)
    if culprit is not None:
        near = run.lines.around(culprit.begin_us / 1e6, 0.5, 0.5, most=_LINES_SHOWN)
        for line in near:
            writer.cut(f"  {words.seconds(line.time_s)} {line.node}: {line.text}", "dim")


def _why(writer: _Writer, sentences: Sequence[str]) -> None:
    """What the members' own logs say of it; all of that, in its order, is what `quorate why` prints."""
    if not sentences:
        return
    writer.blank()
    writer.line("the members' own logs say:", indent=2)
    for sentence in sentences[:_SENTENCES_SHOWN]:
        writer.line(f"- {sentence}", indent=2, hang=2)
    if len(sentences) > _SENTENCES_SHOWN:
        writer.line(f"… and {len(sentences) - _SENTENCES_SHOWN} more: quorate why", indent=2)


def _beside(
    writer: _Writer,
    run: StoredRun,
    anomaly: Anomaly,
    model: str | None,
    rows: Sequence[Drawn],
    cycle: tuple[Sequence[evidence.Edge], Mapping[str, str]],
) -> None:
    """The cycle, who held what, and the list, where the anomaly has them."""
    edges, legend = cycle
    for name, what in legend.items():
        writer.cut(f"  {name}  {what}")
    for edge in edges:
        writer.line(f"{edge.source} ─{edge.kind}→ {edge.target}  {edge.why}", indent=2, hang=4)
    for held in holds.told(anomaly, model, run.operations, rows)[:_OPERATIONS_SHOWN]:
        until = "?" if held.end_s is None else words.seconds(held.end_s)
        token = f" token {held.token}" if held.token else ""
        writer.cut(f"  {held.process:>5}  {held.kind:<6}{words.seconds(held.begin_s)} to {until}{token}")
    for mark in evidence.marks_of(anomaly):
        writer.cut(f"  {words.seconds(mark.at_s)} {mark.what}")
    _list(writer, lists.listed_of(anomaly))


def _moment(writer: _Writer, run: StoredRun, anomaly: Anomaly, culprit: Drawn | None) -> None:
    moment = moments.at_that_moment(run, culprit)
    if moment:
        writer.line(f"at that moment: {moment}", indent=2, hang=2)
    documented = weakness.documented(run.results.weak_reads, anomaly.name)
    if documented:
        writer.line(documented, "yellow", indent=2, hang=2)


def _list(writer: _Writer, listed: lists.Listed | None) -> None:
    """The wrong row of a list among its neighbours, and the changes of that object."""
    if listed is None:
        return
    writer.blank()
    wide = max(len(row.name) for row in listed.rows)
    writer.cut(f"  {listed.who} at revision {listed.at}:")
    for row in listed.rows:
        sign = "✗" if row.bad else " "
        text = f"  {sign} {row.name:<{wide}}  {row.value:<20} revision {row.revision}"
        writer.cut(text, "red" if row.bad else "")
    writer.cut(f"  changes of {listed.name}:")
    for change in listed.changes:
        writer.cut(f"    {change.revision:>8} {change.value:<20} {change.note}")


def _operations(writer: _Writer, rows: Sequence[Drawn], missing: int) -> None:
    for row in rows:
        until = "never" if row.end_us == NEVER else f"{row.end_us / 1e6:.3f}"
        sign = "✗" if row.culprit else " "
        state = f" ⇒ {row.state or row.note}" if row.state or row.note else ""
        outcome = "" if row.outcome == "ok" else f" {row.outcome}"
        moment = f"{row.begin_us / 1e6:.3f}–{until}"  # noqa: RUF001 - a range
        writer.cut(
            f"{sign} {moment:<17} p{row.process:<4} {row.node:<4} {row.words}{outcome}{state}",
            "red" if row.culprit else "",
        )
    if missing:
        writer.line(f"{missing} more are in counterexample.jsonl", "dim", indent=2)


def lanes(rows: Sequence[Drawn], width: int) -> Iterator[tuple[str, bool]]:
    """Draw processes as lanes of text, events in their order; the second part marks the culprit's lane.

    Draws nothing where the events do not fit side by side.
    """
    left = max(len(f"p{row.process}") for row in rows) + 2
    room = width - left
    place = _places(rows, room)
    for process in sorted({row.process for row in rows}) if place else ():
        line = [" "] * room
        mine = [row for row in rows if row.process == process]
        for row in mine:
            begin, end = place[row.position, 1], place.get((row.position, 0), room - 1)
            bar = ["─"] * (end - begin + 1)
            bar[0], bar[-1] = "├", "┤" if (row.position, 0) in place else "┄"
            label = words.cut(_label(row), max(0, len(bar) - 3))
            if label and label != "…":
                bar[2 : 2 + len(label)] = list(label)
            line[begin : end + 1] = bar
        yield (
            clean(f"p{process}".rjust(left - 1) + " " + "".join(line).rstrip()),
            any(row.culprit for row in mine),
        )


def _label(row: Drawn) -> str:
    return clean(("✗ " if row.culprit else "") + words.cut(row.words, 30))


def _places(rows: Sequence[Drawn], room: int) -> dict[tuple[int, int], int]:
    """Give each event a column, wide enough for the words if there is room; {} where even the events do not fit."""
    events = [(row.event, 1, row) for row in rows]
    events += [(row.completed, 0, row) for row in rows if row.completed > row.event and row.outcome != "info"]
    events.sort(key=lambda event: event[:2])
    if room < 2 * len(events):
        return {}
    wanted: dict[tuple[int, int], float] = {}
    x, widest = 0.0, 0.0
    for _, kind, row in events:
        if kind == 0:
            x = max(x, wanted[row.position, 1] + len(_label(row)) + 3)
        wanted[row.position, kind] = x
        widest = max(widest, x, x + len(_label(row)) + 5 if row.outcome == "info" else 0)
        x += 3
    scale = min(1.0, (room - 1) / max(1.0, widest))
    place: dict[tuple[int, int], int] = {}
    last = -1
    for left_over, (_, kind, row) in zip(range(len(events) - 1, -1, -1), events, strict=True):
        last = min(max(last + 1, int(wanted[row.position, kind] * scale)), room - 1 - left_over)
        place[row.position, kind] = last
    return place


def _work(writer: _Writer, run: StoredRun) -> None:
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


def _weak(writer: _Writer, run: StoredRun) -> None:
    """How old weak reads were, and behind which faults they were oldest."""
    for one in run.results.weak_reads.staleness if run.results.weak_reads is not None else ():
        writer.line(f"staleness: {weakness.figures(one)}", hang=11)
        for row in weakness.worst(one):
            writer.line(weakness.behind(row), "dim", indent=4, hang=2)


def _faults(writer: _Writer, run: StoredRun) -> None:
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


def _deaths(writer: _Writer, run: StoredRun) -> None:
    most = 12
    for death in run.results.deaths[:most]:
        writer.line(
            f"✗ the server of {death.node} ended by itself at {words.seconds(death.time_s)}"
            + (f": {death.how}" if death.how else ""),
            "red",
            hang=2,
        )


def _tail(writer: _Writer, run: StoredRun) -> None:
    command: Any = run.test.get("command")
    writer.blank()
    if command:
        # Left whole, however long: it is there to be copied.
        writer.lines.append("repeat: " + clean(str(command)))
    writer.lines.append(f"folder: {run.folder}")
