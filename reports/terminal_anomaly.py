"""One anomaly in a terminal: what it says, when it was, and the operations that show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from quorate.harness.core.verdict import Anomaly
from quorate.harness.history.operations import NEVER
from quorate.reports import evidence, holds, lists, moments, weakness, words
from quorate.reports.evidence import Drawn
from quorate.reports.stored import StoredRun
from quorate.reports.terminal_text import Writer, clean

_OPERATIONS_SHOWN: Final = 16
_SENTENCES_SHOWN: Final = 8
_LINES_SHOWN: Final = 4


def show_anomaly(writer: Writer, run: StoredRun, anomaly: Anomaly, model: str | None) -> None:
    """Print the anomaly: its sentence, the moment, its cycle or list, and its operations as lanes and rows."""
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


def show_why(writer: Writer, sentences: Sequence[str]) -> None:
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
    writer: Writer,
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


def _moment(writer: Writer, run: StoredRun, anomaly: Anomaly, culprit: Drawn | None) -> None:
    moment = moments.at_that_moment(run, culprit)
    if moment:
        writer.line(f"at that moment: {moment}", indent=2, hang=2)
    documented = weakness.documented(run.results.weak_reads, anomaly.name)
    if documented:
        writer.line(documented, "yellow", indent=2, hang=2)


def _list(writer: Writer, listed: lists.Listed | None) -> None:
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


def _operations(writer: Writer, rows: Sequence[Drawn], missing: int) -> None:
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
