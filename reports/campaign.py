"""A campaign's report: a matrix of cells by verdict with rates and trends, and every run with what happened."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.harness.core.store import REPORT
from quorate.reports import matrix, output, rates, words
from quorate.reports.html import page
from quorate.reports.matrix import CAMPAIGN, Cell, Matrix, State
from quorate.reports.terminal_text import clean

SIGNS: Final[dict[State, str]] = {"passed": "✓", "failed": "✗", "error": "!", "inconclusive": "?"}
TONES: Final[dict[State, str]] = {
    "passed": "passed",
    "failed": "failed",
    "error": "failed",
    "inconclusive": "unsure",
}
_WORST_FIRST: Final[tuple[State, ...]] = ("failed", "error", "inconclusive", "passed")
_EARLIER_MAX: Final = 10
_RUNS_SHOWN: Final = 10_000


class Group(msgspec.Struct, frozen=True):
    """The runs of one entry of the matrix."""

    cells: Sequence[Cell]
    trend: str = ""

    @property
    def state(self) -> State:
        """The worst of its runs."""
        return _worst(self.cells)

    @property
    def sign(self) -> str:
        """Its sign."""
        return SIGNS[self.state]

    @property
    def tone(self) -> str:
        """Its colour's name."""
        return TONES[self.state]

    @property
    def faults(self) -> str:
        """What it was tested with."""
        return place(self.cells[0])[1]

    @property
    def words(self) -> str:
        """What came of its runs: `valid`, or `3 invalid, 2 valid`."""
        counts = Counter(cell.verdict if cell.status == "done" else cell.status for cell in self.cells)
        if len(counts) == 1 and len(self.cells) == 1:
            return counts.most_common(1)[0][0]
        return ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())

    @property
    def rate(self) -> str:
        """How often an anomaly was found, with its interval; "" for a single run."""
        done = [cell for cell in self.cells if cell.status == "done"]
        if len(done) < 2:  # noqa: PLR2004 - one run makes no rate
            return ""
        return "anomaly in " + rates.text(sum(1 for cell in done if cell.verdict == "invalid"), len(done))


def _worst(cells: Sequence[Cell]) -> State:
    found = {cell.state for cell in cells}
    return next((state for state in _WORST_FIRST if state in found), "inconclusive")


def write(folder: Path, target: Path | None = None) -> Path:
    """Write the HTML of a campaign's folder, by default as `report.html` in it, and return the file."""
    return output.write(target or folder / REPORT, render(matrix.read(folder)))


def render(found: Matrix, earlier: Sequence[Matrix] | None = None) -> str:
    """Return the page; `earlier` are campaigns of the same name, oldest first, by default those beside its folder."""
    earlier = before(found) if earlier is None else earlier
    columns, rows = table(found, earlier)
    cells = sorted(found.cells, key=lambda cell: _WORST_FIRST.index(cell.state))[:_RUNS_SHOWN]
    worst = _worst(found.cells)
    context: dict[str, Any] = {
        "assets": page.assets(("campaign.js",)),
        "matrix": found,
        "headline": matrix.headline(found),
        "tone": TONES[worst],
        "sign": SIGNS[worst],
        "columns": columns,
        # A grid that is mostly empty is read more easily as a list.
        "sparse": 2 * sum(len(groups) for groups in rows.values()) < len(columns) * len(rows),
        "rows": [
            {"name": name, "what": _what(groups), "groups": [groups.get(column) for column in columns]}
            for name, groups in rows.items()
        ],
        "trends": len(earlier),
        "runs": [
            {
                "cell": cell,
                "sign": SIGNS[cell.state],
                "tone": TONES[cell.state],
                "href": _report(found, cell),
                "issue": cell.link if cell.link and re.match(r"https?://", cell.link) else None,
            }
            for cell in cells
        ],
    }
    return page.environment().get_template("campaign.html.j2").render(context)


def _what(groups: Mapping[str, Group]) -> str:
    """The part of a row's name that every row has: system and workload; the rest is small print."""
    cell = next(iter(groups.values())).cells[0]
    return f"{cell.server} {cell.workload.replace(',', '+')}"


def _report(found: Matrix, cell: Cell) -> str | None:
    link = found.link(cell)
    if link is None:
        return None
    return f"{link}/{REPORT}" if (found.folder / link / REPORT).exists() else f"{link}/"


def before(found: Matrix) -> list[Matrix]:
    """Return the campaigns that stand beside this one in the store and are older, oldest first, at most ten."""
    if found.single:
        return []
    own = found.folder.resolve()
    folders = sorted(path.parent for path in own.parent.glob(f"*/{CAMPAIGN}") if path.parent.name < own.name)
    others = [matrix.read(folder) for folder in folders[-_EARLIER_MAX:]]
    return [other for other in others if other.name == found.name]


def table(found: Matrix, earlier: Sequence[Matrix] = ()) -> tuple[list[str], dict[str, dict[str, Group]]]:
    """Return the columns (faults) and the rows: system, workload and what else distinguishes a cell, to its groups."""
    groups: dict[str, dict[str, list[Cell]]] = {}
    for cell in found.cells:
        row, column = place(cell)
        groups.setdefault(row, {}).setdefault(column, []).append(cell)
    columns = sorted({column for row in groups.values() for column in row})
    return columns, {
        row: {column: Group(cells, _trend(row, column, earlier)) for column, cells in by_column.items()}
        for row, by_column in sorted(groups.items())
    }


def place(cell: Cell) -> tuple[str, str]:
    """Return row and column of a cell."""
    faults = cell.faults or "none"
    known = {cell.system, cell.server, cell.workload.replace(",", "+"), cell.workload, faults}
    rest = [word for word in cell.name.split() if word not in known]
    return " ".join([cell.server, cell.workload.replace(",", "+"), *map(_where, rest)]), faults


def _where(word: str) -> str:
    """`localx3` in a cell's name is three nodes of the local cluster."""
    found = re.fullmatch(r"(in-process|auto|docker|local|ssh)x(\d+)", word)
    return f"{found[1]}, {found[2]} nodes" if found else word


def _trend(row: str, column: str, earlier: Sequence[Matrix]) -> str:
    signs = []
    for other in earlier:
        cells = [cell for cell in other.cells if place(cell) == (row, column)]
        signs.append(Group(cells).sign if cells else "·")
    return "".join(signs)


def text(folder: Path, *, width: int = 100, colour: bool = False) -> str:
    """Return the campaign as lines for a terminal: the bad news with the command to repeat it, then the matrix."""
    found = matrix.read(folder)
    paint = {"passed": "32", "failed": "31", "error": "31", "inconclusive": "33"}
    lines = []
    for cell in sorted(found.cells, key=lambda cell: _WORST_FIRST.index(cell.state)):
        if cell.state == "passed":
            break
        line = words.cut(clean(f"{SIGNS[cell.state]} {cell.title}: {cell.news}"), width * 3)
        lines.append(f"\x1b[{paint[cell.state]}m{line}\x1b[0m" if colour else line)
        if cell.command:
            lines.append(f"    repeat: {clean(cell.command)}")
    if lines:
        lines.append("")
    _, rows = table(found)
    for name, groups in rows.items():
        lines.append(words.cut(clean(name), width))
        for column, group in groups.items():
            line = f"  {group.sign} {column}: {group.words}" + (f" · {group.rate}" if group.rate else "")
            line = words.cut(clean(line), width)
            lines.append(f"\x1b[{paint[group.state]}m{line}\x1b[0m" if colour else line)
    lines += [f"note: {clean(problem)}" for problem in found.problems]
    lines.append(f"{clean(found.name)}: {matrix.headline(found)} in {words.duration(found.time_s)}")
    return "\n".join(lines) + "\n"
