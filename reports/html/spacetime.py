"""The anomaly drawn: one lane per process, one bar per operation, the impossible one marked.

Positions follow the order of events rather than the clock: what matters is which ended before which began, and a
millisecond of overlap would vanish next to a second of waiting. Each event keeps its time in its tooltip, and the
axis names the times of the first, the last and the culprit's events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from markupsafe import Markup

from harness.verdict import Anomaly
from reports.html import svg
from reports.operations import NEVER, OUTCOMES, Operations
from reports.words import cut, operation, seconds

SHOWN_MAX: Final = 60
_LANE: Final = 34
_LEFT: Final = 84
_TOP: Final = 26
_STEP: Final = 30
_LETTER: Final = 6.7


class Drawn(msgspec.Struct, frozen=True):
    """One operation of an anomaly in words: for the diagram, the table beside it and the terminal."""

    position: int
    event: int
    process: int
    node: str
    words: str
    outcome: str
    begin_us: int
    end_us: int
    culprit: bool
    error: str
    version: int | None
    state: str = ""
    note: str = ""


def drawn(anomaly: Anomaly, operations: Operations, most: int = SHOWN_MAX) -> tuple[list[Drawn], int]:
    """Return the anomaly's operations in order of invocation, those nearest the culprit if too many, and how many not."""
    positions = {operations.at(event) for event in anomaly.events}
    culprit = operations.at(anomaly.culprit) if anomaly.culprit is not None else None
    found = sorted(position for position in positions | {culprit} if position is not None)
    if len(found) > most:
        centre = found.index(culprit) if culprit in found else len(found)
        begin = max(0, min(centre - most * 3 // 4, len(found) - most))
        chosen = found[begin : begin + most]
    else:
        chosen = found
    steps = _steps(anomaly)
    rows = [_row(operations, position, position == culprit, steps) for position in chosen]
    return rows, len(found) - len(chosen)


def _steps(anomaly: Anomaly) -> Mapping[int, Mapping[str, Any]]:
    """The legal state after each operation, where the checker tells it: `detail["steps"]`."""
    steps = anomaly.detail.get("steps")
    found = {}
    for step in steps if isinstance(steps, Sequence) and not isinstance(steps, str) else ():
        if isinstance(step, Mapping) and isinstance(step.get("operation"), int):
            found[step["operation"]] = step
    return found


def _row(o: Operations, at: int, culprit: bool, steps: Mapping[int, Mapping[str, Any]]) -> Drawn:  # noqa: FBT001
    outcome = OUTCOMES[int(o.outcome[at])]
    asked, got = o.values[int(o.asked[at])], o.values[int(o.got[at])]
    event = int(o.invoked[at])
    step = steps.get(event, {})
    error = o.errors[int(o.error[at])]
    state = step.get("state")
    return Drawn(
        position=at,
        event=event,
        process=int(o.process[at]),
        node=o.nodes[int(o.node[at])],
        words=operation(o.functions[int(o.f[at])], o.keys[int(o.key[at])].strip('"'), asked, got, outcome),
        outcome=outcome,
        begin_us=int(o.begin_us[at]),
        end_us=int(o.end_us[at]),
        culprit=culprit,
        error="" if error == "null" else cut(error, 200),
        version=int(o.version[at]) if o.version[at] >= 0 else None,
        state=cut(json_text(state), 200) if state is not None else "",
        note=cut(str(step.get("text", "")), 300),
    )


def json_text(value: Any) -> str:
    """Write a value as JSON, or as Python does where it has none."""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, msgspec.MsgspecError):
        return str(value)


def diagram(rows: Sequence[Drawn], label: str) -> Markup:
    """Draw the lanes; an operation whose outcome nobody knows stays open to the right."""
    if not rows:
        return Markup()
    lanes = {process: number for number, process in enumerate(sorted({row.process for row in rows}))}
    x_of, width = _positions(rows)
    height = _TOP + _LANE * len(lanes) + 26
    parts: list[Markup] = []
    names = {row.process: row.node for row in rows}
    for process, number in lanes.items():
        y = _TOP + number * _LANE + _LANE / 2
        parts.append(svg.line(_LEFT, y, width, y, "lane"))
        parts.append(svg.text(_LEFT - 10, y + 4, f"p{process}", "who", "end"))
        if names[process]:
            parts.append(svg.text(4, y + 4, cut(names[process], 6), "node"))
    for row in rows:
        if row.culprit:
            x = x_of["begin", row.position]
            parts.append(svg.line(x, _TOP - 6, x, height - 22, "mark"))
    parts += [_bar(row, lanes[row.process], x_of, width) for row in rows]
    parts += _axis(rows, x_of, height, width)
    return svg.svg(width + 8, height, label, *parts, cls="spacetime")


def _positions(rows: Sequence[Drawn]) -> tuple[dict[tuple[str, int], float], float]:
    """Give each event its place in order; a bar is at least as wide as its words where that costs no order."""
    events = [(row.begin_us, 1, "begin", row) for row in rows]
    events += [(row.end_us, 0, "end", row) for row in rows if row.end_us != NEVER and row.outcome != "info"]
    events.sort(key=lambda event: (event[0], event[1]))
    places: dict[tuple[str, int], float] = {}
    x = float(_LEFT + 12)
    busy: dict[int, float] = {}
    for _, _, kind, row in events:
        need = _LETTER * len(cut(row.words, 30)) + 18
        if kind == "end":
            x = max(x, places["begin", row.position] + need)
        else:
            x = max(x, busy.get(row.process, 0.0) + 8)
        places[kind, row.position] = x
        busy[row.process] = x
        x += _STEP
    opened = [places["begin", row.position] + _LETTER * len(cut(row.words, 30)) + 60 for row in rows if row.outcome == "info"]
    return places, max([x + 10, *opened])


def _bar(row: Drawn, lane: int, x_of: Mapping[tuple[str, int], float], width: float) -> Markup:
    x, y = x_of["begin", row.position], _TOP + lane * _LANE + 5
    until = x_of.get(("end", row.position), width)
    cls = f"op {row.outcome}" + (" culprit" if row.culprit else "")
    ended = "never returned" if row.end_us == NEVER else f"ended {seconds(row.end_us / 1e6)}"
    tip = f"p{row.process} {row.words} · {row.outcome} · began {seconds(row.begin_us / 1e6)}, {ended}"
    parts = [
        svg.title(tip + (f" · {row.error}" if row.error else "")),
        svg.rect(x, y, until - x, _LANE - 10, "body", rx=4),
        svg.text(x + 8, y + 16, ("✗ " if row.culprit else "") + cut(row.words, 30), "words"),
    ]
    if row.outcome == "info":
        parts.append(svg.text(until - 8, y + 16, "?", "words", "end"))
    return svg.tag("g", *parts, cls=cls, data_event=row.event, tabindex=0)


def _axis(rows: Sequence[Drawn], x_of: Mapping[tuple[str, int], float], height: float, width: float) -> list[Markup]:
    marks = [(x_of["begin", rows[0].position], rows[0].begin_us, "start")]
    marks += [(x_of["begin", row.position], row.begin_us, "middle") for row in rows if row.culprit]
    ends = [(x_of["end", row.position], row.end_us) for row in rows if ("end", row.position) in x_of]
    if ends:
        x, moment = max(ends)
        marks.append((x, moment, "end"))
    parts, last = [svg.line(_LEFT, height - 20, width, height - 20, "axis")], -1e9
    apart = 90
    for x, moment, anchor in marks:
        if x - last >= apart:
            parts.append(svg.text(x, height - 6, seconds(moment / 1e6), "tick", anchor))
            last = x
    return parts
