"""Two more drawings of evidence: the cycle of a transactional anomaly, and who held a lock when."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from markupsafe import Markup

from harness.verdict import Anomaly
from reports.html import svg
from reports.html.spacetime import Drawn, json_text
from reports.words import EDGES, cut, seconds

NODES_MAX: Final = 24


class Edge(msgspec.Struct, frozen=True):
    """One dependency of a cycle, in words."""

    source: str
    target: str
    kind: str
    why: str


class Interval(msgspec.Struct, frozen=True):
    """A stretch in which a process held something, or may have (`kind` is held or maybe); seconds."""

    process: str
    node: str
    begin_s: float
    end_s: float | None
    kind: str
    token: str


def _rows(anomaly: Anomaly, name: str) -> list[Mapping[str, Any]]:
    rows = anomaly.detail.get(name)
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        return []
    return [row for row in rows if isinstance(row, Mapping)]


def cycle_of(anomaly: Anomaly, rows: Sequence[Drawn]) -> tuple[list[Edge], dict[str, str]]:
    """Return the cycle's edges between T1, T2, … and what each of these is in words.

    `from` and `to` are events' indexes where they are numbers (then the transaction is looked up), else names.
    """
    words = {row.event: f"p{row.process} {row.words}" for row in rows}
    names: dict[str, str] = {}
    legend: dict[str, str] = {}

    def name(end: Any) -> str:
        known = json_text(end)
        if known not in names:
            names[known] = f"T{len(names) + 1}"
            legend[names[known]] = words.get(end, "") if isinstance(end, int) else cut(str(end), 200)
        return names[known]

    edges = []
    for row in _rows(anomaly, "cycle")[:NODES_MAX]:
        kind = str(row.get("kind", ""))
        why = str(row.get("why") or EDGES.get(kind, ""))
        edges.append(Edge(name(row.get("from")), name(row.get("to")), kind, cut(why, 400)))
    return edges, legend


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
        parts.append(svg.tag("g", svg.title(legend[name]), box, svg.text(x, y + 5, name, "words", "middle"), cls="txn"))
    label = "Cycle: " + ", ".join(f"{edge.source} {edge.kind} {edge.target}" for edge in edges)
    return svg.svg(2 * centre_x, 2 * centre_y, label, *parts, cls="cycle")


def _arrow(edge: Edge, points: Mapping[str, tuple[float, float]], centre: tuple[float, float], half: float) -> list[Markup]:
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
        svg.tag("path", svg.title(edge.why), d=path, cls=f"edge {'rw' if edge.kind.startswith('rw') else ''}", marker_end="url(#arrow)"),
        svg.text(tx, ty + 4, edge.kind, "kind", "middle"),
    ]


def intervals_of(anomaly: Anomaly) -> list[Interval]:
    """Read who held what when: `detail["intervals"]`."""
    found = []
    for row in _rows(anomaly, "intervals"):
        begin, end = row.get("from_s"), row.get("to_s")
        if not isinstance(begin, (int, float)):
            continue
        token = row.get("token")
        found.append(
            Interval(
                process=f"p{row.get('process', '?')}",
                node=str(row.get("node") or ""),
                begin_s=float(begin),
                end_s=float(end) if isinstance(end, (int, float)) else None,
                kind=str(row.get("kind", "held")),
                token="" if token is None else str(token),
            )
        )
    return found[:200]


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
        tip = f"{row.process} {row.kind} from {seconds(row.begin_s)} to {seconds(row.end_s) if row.end_s is not None else 'unknown'}"
        words = row.kind + (f" · token {row.token}" if row.token else "")
        body = svg.rect(x, y, until - x, lane - 8, "body", rx=4)
        group = svg.tag("g", svg.title(tip), body, svg.text(x + 8, y + 15, cut(words, max(3, int((until - x) / 7))), "words"), cls=f"op {'ok' if row.kind == 'held' else 'info'}")
        parts.append(group)
    parts.append(svg.line(left, height - 20, width, height - 20, "axis"))
    parts += [svg.text(left, height - 6, seconds(first), "tick"), svg.text(width, height - 6, seconds(last), "tick", "end")]
    return svg.svg(width, height, label, *parts, cls="spacetime intervals")


def _twice(rows: Sequence[Interval], last: float) -> list[tuple[float, float]]:
    """Return the stretches in which two different processes certainly held."""
    held = [(row.begin_s, row.end_s if row.end_s is not None else last, row.process) for row in rows if row.kind == "held"]
    found = []
    for number, (begin, end, process) in enumerate(held):
        for other_begin, other_end, other in held[number + 1 :]:
            if other != process and max(begin, other_begin) < min(end, other_end):
                found.append((max(begin, other_begin), min(end, other_end)))
    return found[:20]
