"""The run over time as a small drawing: what is seen without JavaScript and on paper, and the numbers for both.

Everything is counted in buckets: quantiles of latency, completions a second by outcome, the share of each node's
operations that were served.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from quorate.harness.core.results import FaultRow
from quorate.harness.history.columns import OK
from quorate.harness.history.operations import NEVER, OUTCOMES
from quorate.reports.html import svg
from quorate.reports.operations import Operations
from quorate.reports.stored import StoredRun, proof_of, span, told, when
from quorate.reports.words import cut, duration, seconds, share

BUCKETS: Final = 200
_WIDTH: Final = 1060.0
_LEFT: Final = 92.0
_RIGHT: Final = 10.0

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]


def buckets(o: Operations, end_s: float) -> dict[str, Any]:
    """Count per bucket: `rate` by outcome (a second), `quantiles` of latency in ms, `nodes` served share or None."""
    width = end_s / BUCKETS
    if not len(o):
        return {"width": width, "rate": {}, "quantiles": {}, "nodes": {}}
    began = np.clip((o.begin_us / 1e6 / width).astype(np.int64), 0, BUCKETS - 1)
    until = np.where(o.end_us == NEVER, o.begin_us, o.end_us)
    ended = np.clip((until / 1e6 / width).astype(np.int64), 0, BUCKETS - 1)
    rate = {
        name: (np.bincount(ended[o.outcome == code], minlength=BUCKETS) / width).round(1).tolist()
        for code, name in OUTCOMES.items()
    }
    good = o.outcome == OK
    quantiles = _quantiles(ended[good], o.took_us[good] / 1e3, {"p50": 0.5, "p99": 0.99})
    answered = o.served()
    nodes = {}
    for code, name in enumerate(o.nodes):
        if not name:
            continue
        mine = o.place == code
        asked = np.bincount(began[mine], minlength=BUCKETS)
        got = np.bincount(began[mine & answered], minlength=BUCKETS)
        nodes[name] = [round(float(g / a), 3) if a else None for g, a in zip(got, asked, strict=True)]
    return {"width": width, "rate": rate, "quantiles": quantiles, "nodes": nodes}


def _quantiles(bucket: Ints, ms: Floats, marks: Mapping[str, float]) -> dict[str, list[float | None]]:
    """Return the quantiles of each bucket's values, between the two nearest ones; None where it has none."""
    ms = ms[np.lexsort((ms, bucket))]
    counts = np.bincount(bucket, minlength=BUCKETS)
    starts = np.cumsum(counts) - counts
    some = np.flatnonzero(counts)
    found: dict[str, list[float | None]] = {}
    for name, mark in marks.items():
        place = mark * (counts[some] - 1)
        below = place.astype(np.int64)
        low = ms[starts[some] + below]
        high = ms[starts[some] + np.minimum(below + 1, counts[some] - 1)]
        values = low + (high - low) * (place - below)
        row: list[float | None] = [None] * BUCKETS
        for number, value in zip(some.tolist(), values.tolist(), strict=True):
            row[number] = round(value, 3)
        found[name] = row
    return found


def drawing(run: StoredRun, counted: dict[str, Any], end_s: float) -> Markup:
    """Draw faults, leaders, latency, rate and availability over one axis."""
    scale = (_WIDTH - _LEFT - _RIGHT) / end_s
    parts: list[Markup] = []
    y = 6.0
    bands_at = y
    for fault in dict.fromkeys(row.fault for row in run.results.faults):
        mine = [row for row in run.results.faults if row.fault == fault]
        parts += _fault_lane(fault, mine, y, scale, end_s)
        y += 20
    if run.results.leaders:
        parts += _leader_lane(run, y, scale, end_s)
        y += 20
    latency = _latency(counted["quantiles"], y + 8)
    parts += latency
    y += 150
    parts += _rate(counted["rate"], y + 8)
    y += 92
    for node, shares in sorted(counted["nodes"].items()):
        parts += _node_lane(node, shares, y)
        y += 16
    bands = [
        svg.rect(_LEFT + begin * scale, bands_at, (end - begin) * scale, y - bands_at, "band")
        for begin, end in filter(None, (span(row, end_s) for row in run.results.faults))
    ]
    parts = bands + parts + _time_axis(y + 2, scale, end_s)
    return svg.svg(
        _WIDTH, y + 26, "Faults, leader, latency, rate and availability over time", *parts, cls="overview"
    )


def _label(y: float, words: str) -> Markup:
    return svg.text(_LEFT - 8, y, cut(words, 14), "label", "end")


def _fault_lane(fault: str, rows: Sequence[FaultRow], y: float, scale: float, end_s: float) -> list[Markup]:
    parts = [_label(y + 12, fault)]
    for row in rows:
        inside = span(row, end_s)
        if inside is None:
            continue
        begin, end = inside
        proved = row.proof is not None and row.proof.holds
        tip = f"{fault} on {', '.join(row.nodes)}, {when(row)}: {proof_of(row)}"
        since = min(row.injected_s if row.injected_s is not None else begin, end)
        if proved and since > begin:  # paler until it was proved
            parts.append(
                svg.rect(
                    _LEFT + begin * scale,
                    y + 1,
                    (since - begin) * scale,
                    15,
                    "fault pale",
                    svg.title(tip),
                    rx=2,
                )
            )
        bar = svg.rect(
            _LEFT + (since if proved else begin) * scale,
            y + 1,
            (end - (since if proved else begin)) * scale,
            15,
            "fault" if proved else "fault unproved",
            svg.title(tip),
            rx=2,
        )
        words = cut(", ".join(row.nodes), max(0, int((end - begin) * scale / 7)))
        parts += [bar, *_steps(row, y, scale), svg.text(_LEFT + begin * scale + 4, y + 13, words, "onfault")]
    return parts


def _steps(row: FaultRow, y: float, scale: float) -> list[Markup]:
    """A mark for each server's turn of a fault that goes from node to node, from stopped to healthy."""
    return [
        svg.rect(
            _LEFT + step.stopped_s * scale,
            y + 1,
            (step.healthy_s - step.stopped_s) * scale,
            15,
            "step",
            svg.title(told(step)),
        )
        for step in row.steps
    ]


def _leader_lane(run: StoredRun, y: float, scale: float, end_s: float) -> list[Markup]:
    parts = [_label(y + 12, "leader")]
    for number, leader in enumerate(run.results.leaders):
        until = run.results.leaders[number + 1].time_s if number + 1 < len(run.results.leaders) else end_s
        x, width = _LEFT + leader.time_s * scale, (until - leader.time_s) * scale
        words = (leader.node or "none") + (f" · term {leader.term}" if leader.term is not None else "")
        tip = svg.title(f"{words} from {seconds(leader.time_s)}")
        parts.append(svg.rect(x, y + 1, width, 15, "leader" if leader.node else "no leader", tip))
        parts.append(svg.text(x + 4, y + 13, cut(words, max(0, int(width / 7))), "onleader"))
    return parts


def _latency(quantiles: dict[str, list[float | None]], top: float) -> list[Markup]:
    height = 130.0
    values = [value for row in quantiles.values() for value in row if value]
    if not values:
        return [_label(top + 12, "latency")]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) + 1e-9)
    high = max(high, low + 1)
    parts = [_label(top + 12, "latency")]
    for power in range(low, high + 1):
        y = top + height * (high - power) / (high - low)
        parts.append(svg.line(_LEFT, y, _WIDTH - _RIGHT, y, "grid"))
        if power < high:
            parts.append(svg.text(_LEFT - 8, y + 4, duration(10.0**power / 1e3), "tick", "end"))
    step = (_WIDTH - _LEFT - _RIGHT) / BUCKETS
    for name, row in quantiles.items():
        path, pen = "", "M"
        for number, value in enumerate(row):
            if not value:
                pen = "M"
                continue
            y = top + height * (high - math.log10(value)) / (high - low)
            path += f"{pen}{_LEFT + (number + 0.5) * step:.1f} {y:.1f}"
            pen = "L"
        parts.append(svg.tag("path", svg.title(f"{name} of ok operations"), d=path, cls=f"quantile {name}"))
    return parts


def _rate(rate: dict[str, list[float]], top: float) -> list[Markup]:
    height = 72.0
    parts = [_label(top + 12, "rate")]
    most = max((sum(values) for values in zip(*rate.values(), strict=True)), default=0.0)
    if most <= 0:
        return parts
    step = (_WIDTH - _LEFT - _RIGHT) / BUCKETS
    base = [0.0] * BUCKETS
    for name, values in rate.items():
        path = ""
        for number, value in enumerate(values):
            if value <= 0:
                continue
            y1 = top + height * (1 - base[number] / most)
            base[number] += value
            y2 = top + height * (1 - base[number] / most)
            path += f"M{_LEFT + number * step:.1f} {y1:.1f}V{y2:.1f}h{step:.2f}V{y1:.1f}z"
        parts.append(svg.tag("path", svg.title(f"{name} a second"), d=path, cls=f"area {name}"))
    parts.append(svg.text(_LEFT - 8, top + 26, f"{most:.0f}/s", "tick", "end"))
    return parts


def _node_lane(node: str, shares: Sequence[float | None], y: float) -> list[Markup]:
    """Runs of the same level become one rectangle; five levels are enough to see an outage."""
    parts = [_label(y + 11, node)]
    step = (_WIDTH - _LEFT - _RIGHT) / BUCKETS
    levels = [None if value is None else math.floor(value * 4) for value in shares]
    begin = 0
    for number in range(1, BUCKETS + 1):
        if number < BUCKETS and levels[number] == levels[begin]:
            continue
        if levels[begin] is not None:
            tip = svg.title(f"{node}: {share(shares[begin])} served")
            parts.append(
                svg.rect(
                    _LEFT + begin * step, y + 2, (number - begin) * step, 11, f"served s{levels[begin]}", tip
                )
            )
        begin = number
    return parts


def _time_axis(y: float, scale: float, end_s: float) -> list[Markup]:
    parts = [svg.line(_LEFT, y, _WIDTH - _RIGHT, y, "axis")]
    step = nice(end_s / 8)
    moment = 0.0
    while moment <= end_s * 1.0001:
        x = _LEFT + moment * scale
        parts += [svg.line(x, y, x, y + 4, "axis"), svg.text(x, y + 18, f"{moment:g} s", "tick", "middle")]
        moment += step
    return parts


def nice(step: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next((power * factor for factor in (1, 2, 5) if power * factor >= step), power * 10)
