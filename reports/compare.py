"""What changed between two runs, or between two campaigns: verdicts, latency, availability."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import numpy as np
from markupsafe import Markup

from quorate.harness.core.outcome import Broken
from quorate.harness.core.results import FaultRow
from quorate.harness.history.columns import OK
from quorate.reports import matrix, output, rates, stored, words
from quorate.reports.html import page, svg
from quorate.reports.matrix import CAMPAIGN, Cell
from quorate.reports.operations import Operations
from quorate.reports.stored import StoredRun
from quorate.reports.terminal_text import clean

Tone = Literal["better", "worse", ""]
# Latencies differ a little from run to run; what changes less than this is not news.
_NEWS: Final = 0.2
_RANK: Final = {"valid": 0, "unknown": 1, "invalid": 2}
_MARKS: Final = (10, 50, 75, 90, 95, 99, 99.5, 99.9, 99.99)


class Row(msgspec.Struct, frozen=True):
    """One thing in both: what it is, how it was, how it is, the change in words, and whether that is good."""

    name: str
    before: str
    after: str
    change: str = ""
    tone: Tone = ""


class Table(msgspec.Struct, frozen=True):
    """Rows under a heading; `drawn` says that the comparison's drawing belongs to it."""

    title: str
    rows: Sequence[Row]
    drawn: bool = False


class Comparison(msgspec.Struct, frozen=True):
    """Two runs or two campaigns side by side."""

    before: str
    after: str
    headline: str
    tone: Tone
    tables: Sequence[Table]
    drawing: str
    problems: Sequence[str]
    newly: str = ""  # the verdict of what is worse in the second: invalid, or unknown


def write(before: Path, after: Path, target: Path) -> Path:
    """Write the comparison of two runs' folders, or two campaigns', as one HTML file."""
    return output.write(target, render(compare(before, after)))


def render(found: Comparison) -> str:
    """Return the page."""
    context = {"found": found, "assets": page.assets(()), "drawing": Markup(found.drawing)}  # noqa: S704 - our own drawing
    return page.environment().get_template("compare.html.j2").render(context)


def text(before: Path, after: Path, *, width: int = 80, colour: bool = False) -> str:
    """Return the comparison as lines of at most `width` letters."""
    return told(compare(before, after), width=width, colour=colour)


def plain(found: Comparison) -> dict[str, Any]:
    """Return the comparison as data, without its drawing."""
    content: dict[str, Any] = msgspec.to_builtins(found)
    del content["drawing"]
    return content


def told(found: Comparison, *, width: int = 80, colour: bool = False) -> str:
    """Return a comparison that was made as lines of at most `width` letters."""
    codes = {"better": "32", "worse": "31", "": ""}

    def paint(line: str, tone: Tone) -> str:
        line = words.cut(clean(line), width)
        return f"\x1b[{codes[tone]}m{line}\x1b[0m" if colour and tone else line

    lines = [paint(found.headline, found.tone), f"  a  {clean(found.before)}", f"  b  {clean(found.after)}"]
    for table in found.tables:
        lines += ["", clean(table.title)]
        left = min(width // 3, max((len(row.name) for row in table.rows), default=0))
        for row in table.rows:
            change = f"  {row.change}" if row.change else ""
            lines.append(
                paint(f"  {words.cut(row.name, left):<{left}}  {row.before} → {row.after}{change}", row.tone)
            )
    lines += ["", *(f"note: {clean(problem)}" for problem in found.problems)] if found.problems else []
    return "\n".join(lines) + "\n"


def compare(before: Path, after: Path) -> Comparison:
    """Compare two folders of the same kind; raise `Broken` where they are not, or are neither runs nor campaigns."""
    campaigns = [(folder / CAMPAIGN).exists() for folder in (before, after)]
    if all(campaigns):
        return _campaigns(before, after)
    if any(campaigns):
        raise Broken("compare", "one of these is a campaign and the other a run: compare two of a kind")
    for folder in (before, after):
        if not folder.is_dir():
            raise Broken("compare", f"no run at {folder}")
    return _runs(stored.read(before), stored.read(after))


def _runs(a: StoredRun, b: StoredRun) -> Comparison:
    tables = [
        Table("Verdicts", _verdicts(a, b)),
        Table("Options that differ", _options(a.test, b.test)),
        Table("Latency of ok operations, and rate", _latency(a, b), drawn=True),
        Table("Availability", _availability(a, b)),
        Table("Faults and recovery", _faults(a, b)),
        Table("Outcomes", _outcomes(a, b)),
    ]
    rank = _RANK[b.results.verdict] - _RANK[a.results.verdict]
    tone: Tone = "worse" if rank > 0 else "better" if rank < 0 else ""
    same = (
        f"Both are {a.results.verdict}"
        if a.results.verdict == b.results.verdict
        else f"{a.results.verdict} → {b.results.verdict}"
    )
    changed = [row for table in tables[2:] for row in table.rows if row.tone]
    worse = sum(1 for row in changed if row.tone == "worse")
    headline = f"{same}; {words.plural(worse, 'figure')} worse, {len(changed) - worse} better"
    return Comparison(
        before=f"{words.plain(a.system)} · {a.name} · {a.folder}",
        after=f"{words.plain(b.system)} · {b.name} · {b.folder}",
        headline=headline,
        tone=tone,
        tables=[table for table in tables if table.rows or table.drawn],
        drawing=str(_curves(a.operations, b.operations)),
        problems=[*(f"a: {problem}" for problem in a.problems), *(f"b: {problem}" for problem in b.problems)],
        newly=str(b.results.verdict) if rank > 0 else "",
    )


def _verdicts(a: StoredRun, b: StoredRun) -> list[Row]:
    pairs = [
        Row(
            "verdict",
            str(a.results.verdict),
            str(b.results.verdict),
            "",
            _tone(_RANK[b.results.verdict] - _RANK[a.results.verdict]),
        )
    ]
    first = {result.guarantee: result for result in a.results.guarantees}
    second = {result.guarantee: result for result in b.results.guarantees}
    for name in dict.fromkeys([*first, *second]):
        one, two = first.get(name), second.get(name)
        said = [str(result.verdict) if result else "not judged" for result in (one, two)]
        rank = _RANK[two.verdict] - _RANK[one.verdict] if one and two else 0
        kinds = [{item.name for item in result.anomalies} if result else set() for result in (one, two)]
        new, gone = sorted(kinds[1] - kinds[0]), sorted(kinds[0] - kinds[1])
        change = "; ".join(
            ([f"new: {', '.join(new)}"] if new else []) + ([f"gone: {', '.join(gone)}"] if gone else [])
        )
        pairs.append(Row(name, said[0], said[1], change, _tone(rank)))
    return pairs


def _tone(rank: float) -> Tone:
    return "worse" if rank > 0 else "better" if rank < 0 else ""


def _options(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Row]:
    hidden = {
        "started", "history_started", "command", "argv", "options", "conducted", "run_id", "versions", "settings",
        "name",
    }  # fmt: skip
    pairs: list[tuple[str, Any, Any]] = [
        (name, a.get(name), b.get(name)) for name in sorted({*a, *b} - hidden)
    ]
    for part in ("settings", "versions"):
        one, two = _part(a, part), _part(b, part)
        pairs += [(f"{part}.{name}", one.get(name), two.get(name)) for name in sorted({*one, *two})]
    return [Row(name, _plain(one), _plain(two)) for name, one, two in pairs if one != two]


def _part(test: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = test.get(name)
    return part if isinstance(part, Mapping) else {}


def _plain(value: Any) -> str:
    return "–" if value is None else page.pretty(value)  # noqa: RUF001 - nothing there


def _number(
    name: str, one: float | None, two: float | None, show: Callable[[float | None], str], *, less: bool
) -> Row:
    """Compare two numbers; `less` says that less is better."""
    if one is None or two is None or not one:
        return Row(name, show(one), show(two))
    ratio = two / one
    news = abs(ratio - 1) >= _NEWS
    tone: Tone = "" if not news else "better" if (ratio < 1) == less else "worse"
    return Row(name, show(one), show(two), f"×{ratio:.2f}" if abs(ratio - 1) >= 0.005 else "", tone)  # noqa: PLR2004, RUF001


def _latency(a: StoredRun, b: StoredRun) -> list[Row]:
    rows = [
        _number(
            "ok a second",
            a.results.statistics.rate_per_s,
            b.results.statistics.rate_per_s,
            words.count,
            less=False,
        )
    ]
    functions = dict.fromkeys([*a.results.statistics.by_function, *b.results.statistics.by_function])
    for name in functions:
        for mark in ("p50", "p95", "p99", "max"):
            values = []
            for run in (a, b):
                counts = run.results.statistics.by_function.get(name)
                found = counts.latency_ms.get(mark) if counts else None
                values.append(None if found is None else found / 1e3)
            rows.append(_number(f"{name} {mark}", values[0], values[1], words.duration, less=True))
    return [row for row in rows if row.before != row.after]


def _availability(a: StoredRun, b: StoredRun) -> list[Row]:
    rows = []
    for node in dict.fromkeys([*a.results.availability, *b.results.availability]):
        one, two = a.results.availability.get(node), b.results.availability.get(node)
        lost = (1 - two) - (1 - one) if one is not None and two is not None else 0.0
        noticeable = 0.02
        tone = _tone(lost) if abs(lost) >= noticeable else ""
        rows.append(Row(f"{node} served", words.share(one), words.share(two), "", tone))
    down = [_down(run) for run in (a, b)]
    if any(down):
        rows.append(_number("share of time in outages", down[0], down[1], words.share, less=True))
    return rows


def _down(run: StoredRun) -> float:
    """The share of the nodes' time that lay in windows in which they served nothing."""
    lost = sum(window.to_s - window.from_s for window in run.results.unavailable)
    return lost / (run.duration_s * max(1, len(run.results.availability)))


def _faults(a: StoredRun, b: StoredRun) -> list[Row]:
    rows = []
    for fault in dict.fromkeys(row.fault for row in [*a.results.faults, *b.results.faults]):
        mine = [[row for row in run.results.faults if row.fault == fault] for run in (a, b)]
        rows.append(Row(f"{fault}: times (proved)", _proved(mine[0]), _proved(mine[1])))
        recovery = [_mean([row.recovery_s for row in found]) for found in mine]
        rows.append(_number(f"{fault}: mean recovery", recovery[0], recovery[1], words.duration, less=True))
        served = [_mean([row.availability for row in found]) for found in mine]
        rows.append(_number(f"{fault}: served during", served[0], served[1], words.share, less=False))
    return rows


def _proved(found: Sequence[FaultRow]) -> str:
    return f"{len(found)} ({sum(1 for row in found if row.proof is not None and row.proof.holds)})"


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _outcomes(a: StoredRun, b: StoredRun) -> list[Row]:
    rows = []
    for name in ("operations", "ok", "fail", "info"):
        one, two = getattr(a.results.statistics, name), getattr(b.results.statistics, name)
        rows.append(Row(name, words.count(one), words.count(two)))
    for code in dict.fromkeys([*a.results.statistics.errors, *b.results.statistics.errors]):
        one, two = a.results.statistics.errors.get(code, 0), b.results.statistics.errors.get(code, 0)
        rows.append(Row(f"error {code}", words.count(one), words.count(two)))
    return [row for row in rows if row.before != row.after]


def _curves(a: Operations, b: Operations) -> Markup:
    """Draw latency against quantile for both, both axes logarithmic: where the tails part is where they differ."""
    curves = []
    for o in (a, b):
        took = o.took_us[o.outcome == OK] / 1e6
        curves.append(np.percentile(took, _MARKS) if len(took) else np.zeros(0))
    known = np.concatenate(curves)
    known = known[known > 0]
    if not len(known):
        return Markup()
    width, height, left, top = 720.0, 240.0, 80.0, 10.0
    low, high = np.floor(np.log10(known.min())), np.ceil(np.log10(known.max()) + 1e-9)
    high = max(high, low + 1)
    across = [-np.log10(1 - mark / 100) for mark in _MARKS]
    scale = (width - left - 20) / (across[-1] - across[0])
    xs = [left + (value - across[0]) * scale for value in across]

    def y(value: float) -> float:
        return float(top + height * (high - np.log10(max(value, 1e-9))) / (high - low))

    parts = []
    for power in range(int(low), int(high) + 1):
        parts += [svg.line(left, y(10.0**power), width - 20, y(10.0**power), "grid")]
        parts += [svg.text(left - 8, y(10.0**power) + 4, words.duration(10.0**power), "tick", "end")]
    for mark, x in zip(_MARKS, xs, strict=True):
        parts.append(svg.text(float(x), top + height + 16, f"{mark:g} %", "tick", "middle"))
    for name, curve in zip("ab", curves, strict=True):
        points = [f"{x:.1f} {y(float(value)):.1f}" for x, value in zip(xs, curve, strict=False)]
        if points:
            parts.append(
                svg.tag("path", svg.title(f"run {name}"), d="M" + "L".join(points), cls=f"curve {name}")
            )
    return svg.svg(width + 30, top + height + 26, "Latency by quantile, both runs", *parts, cls="curves")


def _campaigns(before: Path, after: Path) -> Comparison:
    a, b = matrix.read(before), matrix.read(after)
    first, second = _by_name(a.cells), _by_name(b.cells)
    rows = []
    for name in dict.fromkeys([*first, *second]):
        one, two = first.get(name, []), second.get(name, [])
        bad = [sum(1 for cell in cells if cell.state in ("failed", "error")) for cells in (one, two)]
        # A difference is news only where the intervals of the two rates lie apart, or something new failed at all.
        low, high = rates.interval(bad[1], len(two))[0], rates.interval(bad[0], len(one))[1]
        tone: Tone = (
            "worse" if bad[1] and (not bad[0] or low > high) else "better" if bad[0] and not bad[1] else ""
        )
        rows.append(Row(name, _said(one), _said(two), "", tone if one and two else ""))
    rows.sort(key=lambda row: ("worse", "better", "").index(row.tone))
    worse = sum(1 for row in rows if row.tone == "worse")
    better = sum(1 for row in rows if row.tone == "better")
    return Comparison(
        before=f"{a.name} · {matrix.headline(a)} · {a.folder}",
        after=f"{b.name} · {matrix.headline(b)} · {b.folder}",
        headline=f"{words.plural(worse, 'cell')} worse, {better} better, {len(rows) - worse - better} as before",
        tone="worse" if worse else "better" if better else "",
        tables=[
            Table("Cells", rows),
            Table("Time", [_number("in all", a.time_s, b.time_s, words.duration, less=True)]),
        ],
        drawing="",
        problems=[*a.problems, *b.problems],
        newly="invalid" if worse else "",
    )


def _by_name(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.name or cell.title, []).append(cell)
    return found


def _said(cells: Sequence[Cell]) -> str:
    if not cells:
        return "not run"
    bad = sum(1 for cell in cells if cell.state in ("failed", "error"))
    if len(cells) == 1:
        return cells[0].verdict if cells[0].status == "done" else cells[0].status
    return f"{bad} of {len(cells)} failed"
