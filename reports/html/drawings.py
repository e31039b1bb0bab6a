"""Evidence drawn: operations in lanes, the legal state below them, who held a lock when.

In the lanes, positions follow the order of events rather than the clock: what matters is which ended before which
began, and a millisecond of overlap would vanish next to a second of waiting. Each operation keeps its times in its
tooltip, and the drawing names the first, the last and the culprit's. Only the drawing of holdings is to scale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from markupsafe import Markup

from quorate.harness.core.evidence import Mark
from quorate.harness.history.operations import NEVER
from quorate.reports.evidence import Drawn, Interval
from quorate.reports.html import svg
from quorate.reports.words import cut, seconds

_LANE: Final = 36
_LEFT: Final = 96
_TOP: Final = 30
_TOP_PLAIN: Final = 6
_STEP: Final = 30
_LETTER: Final = 7.4
_WORDS: Final = 34
_WORDS_FEW: Final = 64
_FEW: Final = 5
_AXIS: Final = 26
_STATE: Final = 34
_ROW: Final = 17  # of words below holdings
_ROOM: Final = 14


def diagram(rows: Sequence[Drawn], label: str, moment: str = "asked") -> Markup:
    """Draw the lanes; an operation whose outcome is unknown stays open to the right.

    Where a legal order is known, a dot on each operation says when it takes effect in that order, and a lane below
    shows the state between them: the impossible operation is seen to meet one that it cannot have met.
    """
    if not rows:
        return Markup()
    letters = _WORDS_FEW if len(rows) <= _FEW else _WORDS
    lanes = {process: number for number, process in enumerate(sorted({row.process for row in rows}))}
    x_of, width = _positions(rows, letters)
    top = _TOP if any(row.culprit for row in rows) else _TOP_PLAIN
    bottom = top + _LANE * len(lanes)
    points = _points(rows, x_of)
    states = _states(points, width, bottom + 6)
    height = bottom + _AXIS + (_STATE if states else 0)
    parts: list[Markup] = []
    for row in rows:
        if row.culprit:
            x, until = x_of["begin", row.position], x_of.get(("end", row.position), width)
            parts.append(svg.rect(x, top - 8, until - x, height - top - 14, "shadow"))
    names = {row.process: row.node for row in rows}
    for process, number in lanes.items():
        y = top + number * _LANE + _LANE / 2
        parts.append(svg.line(_LEFT, y, width, y, "lane"))
        parts.append(svg.text(_LEFT - 12, y + 4, f"p{process}", "who", "end"))
        if names[process]:
            parts.append(svg.text(0, y + 4, cut(names[process], 6), "node"))
    parts += states
    for row in rows:
        if row.culprit:
            x = x_of["begin", row.position]
            parts.append(svg.line(x, top - 10, x, height - 20, "mark"))
            parts.append(svg.text(x, top - 15, f"{moment} {seconds(row.begin_us / 1e6)}", "alarm", "middle"))
    parts += [_bar(row, top + _LANE * lanes[row.process], x_of, width, letters) for row in rows]
    parts += _axis(rows, x_of, height, width)
    return svg.svg(width + 8, height, label, *parts, cls="spacetime")


def _positions(rows: Sequence[Drawn], letters: int) -> tuple[dict[tuple[str, int], float], float]:
    """Give each event its place in order; a bar is at least as wide as its words where that costs no order."""
    events = [(row.event, "begin", row) for row in rows]
    events += [
        (row.completed, "end", row) for row in rows if row.completed > row.event and row.outcome != "info"
    ]
    # Indexes rather than times: two events may share a microsecond, and their order is what the drawing shows.
    events.sort(key=lambda event: event[0])
    places: dict[tuple[str, int], float] = {}
    x = float(_LEFT + 12)
    busy: dict[int, float] = {}
    for _, kind, row in events:
        need = _LETTER * len(_label(row, letters)) + 18
        before = places["begin", row.position] + need if kind == "end" else busy.get(row.process, 0.0) + 8
        x = max(x, before)
        places[kind, row.position] = x
        busy[row.process] = x
        x += _STEP
    opened = [
        places["begin", row.position] + _LETTER * len(_label(row, letters)) + 60
        for row in rows
        if row.outcome == "info"
    ]
    return places, max([x + 10, *opened])


def _label(row: Drawn, letters: int) -> str:
    return ("✗ " if row.culprit else "") + cut(row.words, letters)


def _bar(
    row: Drawn, lane_y: float, x_of: Mapping[tuple[str, int], float], width: float, letters: int
) -> Markup:
    x, y = x_of["begin", row.position], lane_y + 5
    until = x_of.get(("end", row.position), width)
    cls = f"op {row.outcome}" + (" culprit" if row.culprit else "")
    ended = "never returned" if row.end_us == NEVER else f"ended {seconds(row.end_us / 1e6)}"
    tip = f"p{row.process} {row.words} · {row.outcome} · began {seconds(row.begin_us / 1e6)}, {ended}"
    parts = [
        svg.title(tip + (f" · {row.error}" if row.error else "")),
        svg.rect(x, y, until - x, _LANE - 10, "body", rx=4),
        svg.text(x + 8, y + 17, _label(row, letters), "words"),
    ]
    if row.outcome == "info":
        parts.append(svg.text(until - 8, y + 17, "?", "words", "end"))
    return svg.tag("g", *parts, cls=cls, data_event=row.event, tabindex=0)


def _points(rows: Sequence[Drawn], x_of: Mapping[tuple[str, int], float]) -> list[tuple[float, Drawn]]:
    """Where each operation takes effect in the legal order: as early as it and those before it in the order allow."""
    placed = sorted((row for row in rows if row.place is not None), key=lambda row: row.place or 0)
    if not any(row.culprit for row in rows):
        return []
    points: list[tuple[float, Drawn]] = []
    x = 0.0
    for row in placed:
        x = max(x_of["begin", row.position] + 1, x + 1)
        points.append((x, row))
    return points


def _states(points: Sequence[tuple[float, Drawn]], width: float, y: float) -> list[Markup]:
    """The states between those points, as far as the drawing goes."""
    if not points:
        return []
    parts = [svg.text(_LEFT - 12, y + 15, "legal state", "who", "end")]
    for number, (begin, row) in enumerate(points):
        until = points[number + 1][0] if number + 1 < len(points) else width
        tip = svg.title(f"{row.state} after {row.words}")
        parts.append(svg.rect(begin, y, until - begin, 22, "state", tip))
        parts.append(svg.line(begin, y - 5, begin, y + 22, "effect"))
        fits = int((until - begin - 12) / _LETTER)
        parts.append(svg.text(begin + 7, y + 15, cut(row.state, fits) if fits > 1 else "", "words"))
    return parts


def _axis(
    rows: Sequence[Drawn], x_of: Mapping[tuple[str, int], float], height: float, width: float
) -> list[Markup]:
    marks = [(x_of["begin", rows[0].position], rows[0].begin_us, "start")]
    ends = [(x_of["end", row.position], row.end_us) for row in rows if ("end", row.position) in x_of]
    if ends:
        x, moment = max(ends)
        marks.append((x, moment, "end"))
    parts, last = [svg.line(_LEFT, height - 18, width, height - 18, "axis")], -1e9
    apart = 90
    for x, moment, anchor in marks:
        if x - last >= apart:
            parts.append(svg.text(x, height - 4, seconds(moment / 1e6), "tick", anchor))
            last = x
    return parts


def intervals(rows: Sequence[Interval], label: str, marks: Sequence[Mark] = ()) -> Markup:
    """Draw holdings to scale, a lane for each, with `marks` below, and marked across where two certainly held."""
    if not rows:
        return Markup()
    moments = [mark.at_s for mark in marks]
    first = min([row.begin_s for row in rows] + moments)
    last = max([row.end_s for row in rows if row.end_s is not None] + [row.begin_s for row in rows] + moments)
    margin = max(1e-6, (last - first) * 0.04)
    first, last = max(0.0, first - margin), last + 3 * margin
    left, width, lane, top = 150.0, 1000.0, 30, 30
    scale = (width - left - 10) / (last - first)
    lanes = {holder: number for number, holder in enumerate(dict.fromkeys(map(_holder, rows)))}
    under = top + lane * len(lanes) + 4
    labelled, below = _marked(marks, lambda at: left + (at - first) * scale, width, under)
    height = under + below + (30 if marks else 22)
    parts = labelled
    for begin, end in _twice(rows, last):
        x = left + (begin - first) * scale
        parts.append(svg.rect(x, top - 8, (end - begin) * scale, lane * len(lanes) + 12, "twice"))
        parts.append(svg.text(x + (end - begin) * scale / 2, top - 13, "held twice", "alarm", "middle"))
    for holder, number in lanes.items():
        y = top + lane * number + lane / 2
        parts.append(svg.line(left, y, width, y, "lane"))
        parts.append(
            svg.text(left - 12, y + 4, cut(" · token ".join(filter(None, holder)), 20), "who", "end")
        )
    for row in rows:
        x, y = left + (row.begin_s - first) * scale, top + lane * lanes[_holder(row)] + 4
        until = left + ((row.end_s if row.end_s is not None else last) - first) * scale
        ended = "an unknown moment" if row.end_s is None else seconds(row.end_s)
        tip = f"{row.process} {row.kind} from {seconds(row.begin_s)} to {ended}"
        fits = int((until - x - 12) / 7)
        group = svg.tag(
            "g",
            svg.title(tip + (f" · token {row.token}" if row.token else "")),
            svg.rect(x, y, until - x, lane - 8, "body", rx=3),
            svg.text(x + 7, y + 15, row.kind if fits >= len(row.kind) else "", "words"),
            cls=f"op {'ok' if row.kind == 'held' else 'info'}",
        )
        parts.append(group)
    parts.append(svg.line(left, height - 20, width, height - 20, "axis"))
    parts += [
        svg.text(left, height - 6, seconds(first), "tick"),
        svg.text(width, height - 6, seconds(last), "tick", "end"),
    ]
    return svg.svg(width, height, label, *parts, cls="spacetime intervals")


def _marked(
    marks: Sequence[Mark], place: Callable[[float], float], width: float, top: float
) -> tuple[list[Markup], float]:
    """Lines through the lanes with words below, each word in the first row that has room; and the rows' height."""
    free: list[float] = []
    parts = []
    for mark in sorted(marks, key=lambda mark: mark.at_s):
        x, words = place(mark.at_s), f"{mark.what} {seconds(mark.at_s)}"
        size = _LETTER * len(words)
        begin = min(x, width - size)
        row = next((number for number, until in enumerate(free) if until <= begin), len(free))
        free[row:] = [begin + size + _ROOM, *free[row + 1 :]]
        y = top + _ROW * (row + 1)
        parts += [svg.line(x, 22, x, y - 9, "moment"), svg.text(begin, y, words, "tick")]
    return parts, _ROW * len(free)


def _holder(row: Interval) -> tuple[str, str]:
    """What has a lane: a process, and where there are tokens each of its holdings."""
    return row.process, row.token


def _twice(rows: Sequence[Interval], last: float) -> list[tuple[float, float]]:
    """Return the stretches in which two holdings were certain at once."""
    held = [
        (row.begin_s, row.end_s if row.end_s is not None else last, _holder(row))
        for row in rows
        if row.kind == "held"
    ]
    found: list[tuple[float, float]] = []
    for number, (begin, end, holder) in enumerate(held):
        for other_begin, other_end, other in held[number + 1 :]:
            if other != holder and max(begin, other_begin) < min(end, other_end):
                found.append((max(begin, other_begin), min(end, other_end)))
    return found[:20]
