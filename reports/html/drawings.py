"""Evidence drawn: operations in lanes, the cycle of a transactional anomaly, who held a lock when.

In the lanes, positions follow the order of events rather than the clock: what matters is which ended before which
began, and a millisecond of overlap would vanish next to a second of waiting. Each operation keeps its times in its
tooltip, and the axis names the first, the last and the culprit's. Only the drawing of holdings is to scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from markupsafe import Markup

from reports.evidence import Drawn, Edge, Interval
from reports.html import svg
from reports.operations import NEVER
from reports.words import cut, seconds

_LANE: Final = 34
_LEFT: Final = 84
_TOP: Final = 26
_STEP: Final = 30
_LETTER: Final = 7.4
_WORDS: Final = 34


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
        need = _LETTER * len(_label(row)) + 18
        before = places["begin", row.position] + need if kind == "end" else busy.get(row.process, 0.0) + 8
        x = max(x, before)
        places[kind, row.position] = x
        busy[row.process] = x
        x += _STEP
    opened = [
        places["begin", row.position] + _LETTER * len(_label(row)) + 60
        for row in rows
        if row.outcome == "info"
    ]
    return places, max([x + 10, *opened])


def _label(row: Drawn) -> str:
    return ("✗ " if row.culprit else "") + cut(row.words, _WORDS)


def _bar(row: Drawn, lane: int, x_of: Mapping[tuple[str, int], float], width: float) -> Markup:
    x, y = x_of["begin", row.position], _TOP + lane * _LANE + 5
    until = x_of.get(("end", row.position), width)
    cls = f"op {row.outcome}" + (" culprit" if row.culprit else "")
    ended = "never returned" if row.end_us == NEVER else f"ended {seconds(row.end_us / 1e6)}"
    tip = f"p{row.process} {row.words} · {row.outcome} · began {seconds(row.begin_us / 1e6)}, {ended}"
    parts = [
        svg.title(tip + (f" · {row.error}" if row.error else "")),
        svg.rect(x, y, until - x, _LANE - 10, "body", rx=4),
        svg.text(x + 8, y + 16, _label(row), "words"),
    ]
    if row.outcome == "info":
        parts.append(svg.text(until - 8, y + 16, "?", "words", "end"))
    return svg.tag("g", *parts, cls=cls, data_event=row.event, tabindex=0)


def _axis(
    rows: Sequence[Drawn], x_of: Mapping[tuple[str, int], float], height: float, width: float
) -> list[Markup]:
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


def cycle(edges: Sequence[Edge], legend: Mapping[str, str]) -> Markup:
    """Draw the transactions on a circle, the edges bent inwards a little, each with its kind."""
    if not edges:
        return Markup()
    names = list(legend)
    radius = max(90.0, 30.0 * len(names))
    centre_x, centre_y, half, tall = radius + 150, radius + 40, 24.0, 15.0
    points = {}
    for number, name in enumerate(names):
        angle = 2 * math.pi * number / len(names) - math.pi / 2
        points[name] = (centre_x + radius * math.cos(angle), centre_y + radius * math.sin(angle))
    arrow = svg.tag(
        "marker", svg.tag("path", d="M0 0L9 4.5L0 9z", cls="head"), id="arrow", viewBox="0 0 9 9", refX=8, refY=4.5,
        markerWidth=8, markerHeight=8, orient="auto-start-reverse",
    )  # fmt: skip
    parts = [svg.tag("defs", arrow)]
    for edge in edges:
        parts += _arrow(edge, points, (centre_x, centre_y), half)
    for name, (x, y) in points.items():
        box = svg.rect(x - half, y - tall, 2 * half, 2 * tall, "body", rx=6)
        parts.append(
            svg.tag("g", svg.title(legend[name]), box, svg.text(x, y + 5, name, "words", "middle"), cls="txn")
        )
    label = "Cycle: " + ", ".join(f"{edge.source} {edge.kind} {edge.target}" for edge in edges)
    return svg.svg(2 * centre_x, 2 * centre_y, label, *parts, cls="cycle")


def _arrow(
    edge: Edge, points: Mapping[str, tuple[float, float]], centre: tuple[float, float], half: float
) -> list[Markup]:
    (x1, y1), (x2, y2) = points[edge.source], points[edge.target]
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    # Bending to one side keeps the two edges of a cycle of two apart, and labels off the straight lines.
    mx, my = (x1 + x2) / 2 - uy * -22, (y1 + y2) / 2 + ux * -22
    stop = half + 6
    path = f"M{x1 + ux * stop:.1f} {y1 + uy * stop:.1f}Q{mx:.1f} {my:.1f} {x2 - ux * stop:.1f} {y2 - uy * stop:.1f}"
    outwards = math.hypot(mx - centre[0], my - centre[1]) or 1.0
    tx, ty = mx + (mx - centre[0]) / outwards * 12, my + (my - centre[1]) / outwards * 12
    return [
        svg.tag(
            "path",
            svg.title(edge.why),
            d=path,
            cls=f"edge {'rw' if edge.kind.startswith('rw') else ''}",
            marker_end="url(#arrow)",
        ),
        svg.text(tx, ty + 4, edge.kind, "kind", "middle"),
    ]


def intervals(rows: Sequence[Interval], label: str) -> Markup:
    """Draw holdings to scale, one lane per process, the stretches held twice marked across."""
    if not rows:
        return Markup()
    first = min(row.begin_s for row in rows)
    last = max([row.end_s for row in rows if row.end_s is not None] + [row.begin_s for row in rows])
    margin = max(1e-6, (last - first) * 0.06)
    first, last = first - margin, last + 3 * margin
    left, width, lane, top = 84.0, 900.0, 30, 24
    scale = (width - left - 10) / (last - first)
    lanes = {process: number for number, process in enumerate(dict.fromkeys(row.process for row in rows))}
    height = top + lane * len(lanes) + 26
    parts = []
    for begin, end in _twice(rows, last):
        x = left + (begin - first) * scale
        parts.append(svg.rect(x, top - 8, (end - begin) * scale, lane * len(lanes) + 12, "twice"))
        parts.append(svg.text(x + (end - begin) * scale / 2, top - 12, "held twice", "alarm", "middle"))
    for process, number in lanes.items():
        y = top + lane * number + lane / 2
        parts += [svg.line(left, y, width, y, "lane"), svg.text(left - 10, y + 4, process, "who", "end")]
    for row in rows:
        x, y = left + (row.begin_s - first) * scale, top + lane * lanes[row.process] + 4
        until = left + ((row.end_s if row.end_s is not None else last) - first) * scale
        ended = "nobody knows when" if row.end_s is None else seconds(row.end_s)
        tip = f"{row.process} {row.kind} from {seconds(row.begin_s)} to {ended}"
        words = row.kind + (f" · token {row.token}" if row.token else "")
        body = svg.rect(x, y, until - x, lane - 8, "body", rx=4)
        group = svg.tag(
            "g",
            svg.title(tip),
            body,
            svg.text(x + 8, y + 15, cut(words, max(3, int((until - x) / 7))), "words"),
            cls=f"op {'ok' if row.kind == 'held' else 'info'}",
        )
        parts.append(group)
    parts.append(svg.line(left, height - 20, width, height - 20, "axis"))
    parts += [
        svg.text(left, height - 6, seconds(first), "tick"),
        svg.text(width, height - 6, seconds(last), "tick", "end"),
    ]
    return svg.svg(width, height, label, *parts, cls="spacetime intervals")


def _twice(rows: Sequence[Interval], last: float) -> list[tuple[float, float]]:
    """Return the stretches in which two different processes certainly held."""
    held = [
        (row.begin_s, row.end_s if row.end_s is not None else last, row.process)
        for row in rows
        if row.kind == "held"
    ]
    found = []
    for number, (begin, end, process) in enumerate(held):
        for other_begin, other_end, other in held[number + 1 :]:
            if other != process and max(begin, other_begin) < min(end, other_end):
                found.append((max(begin, other_begin), min(end, other_end)))
    return found[:20]
