"""The live table of a campaign: a row per cell on a terminal, a plain line as each run ends in a CI log."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final, TextIO

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from quorate.harness.campaign.cell import Cell, Record
from quorate.harness.campaign.file import Campaign
from quorate.harness.campaign.jobs import Job
from quorate.harness.cli import screen
from quorate.reports import rates

_MARKS: Final = {
    "valid": ("✓", "green"),
    "invalid": ("✗", "red"),
    "unknown": ("?", "yellow"),
    "error": ("!", "magenta"),
}
_ROWS_OFF: Final = 6  # of the terminal's height, for the header and what is printed above
_SENTENCE_MAX: Final = 300
_NAME: Final = 1  # the column of names
_AROUND_S: Final = 10.0  # of a run beside its load


class Table:
    """Shows records to stderr as they come. On a terminal, what ended unexpectedly is printed above the rows."""

    def __init__(self, campaign: Campaign, *, silent: bool, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._silent = silent
        self._cells = campaign.cells
        self._planned = sum(cell.repeat for cell in campaign.cells)
        self._done = 0
        self._found: dict[str, Counter[str]] = {cell.key: Counter() for cell in campaign.cells}
        self._running: Counter[str] = Counter()
        self._unexpected: set[str] = set()
        self._live: Live | None = None
        self._begun_s = time.monotonic()
        self._took: list[float] = []
        self._since: dict[str, float] = {}
        if screen.live(self._out) and not silent:
            self._live = Live(console=Console(file=self._out), refresh_per_second=4, get_renderable=self.rows)
            self._live.start()

    def __call__(self, record: Record | None, running: Sequence[Job]) -> None:
        """Take in one record, or that a job began."""
        self._running = Counter(job.cell.key for job in running)
        now_s = time.monotonic()
        self._since = {key: self._since.get(key, now_s) for key in self._running}
        if record is not None:
            self._done += 1
            self._took.append(record.time_s)
            self._since.pop(record.cell, None)  # another turn of the cell has just begun
            if record.cell in self._running:
                self._since[record.cell] = now_s
            self._found.setdefault(record.cell, Counter())[record.verdict] += 1
            if not record.as_expected:
                self._unexpected.add(record.cell)
            self._tell(record)

    def known(self, records: Sequence[Record]) -> None:
        """Take in what an earlier start of the campaign had finished."""
        for record in records:
            if record.status == "done":
                self._done += 1
                self._found.setdefault(record.cell, Counter())[record.verdict] += 1

    def close(self) -> None:
        """Leave the rows as they are, on a fresh line."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _tell(self, record: Record) -> None:
        if self._silent:
            return
        if self._live is None:
            self._out.write(line(record, self._done, self._planned) + "\n")
            self._out.flush()
        elif not record.as_expected:
            self._live.console.print(
                Text(line(record, self._done, self._planned), style=_MARKS[record.verdict][1])
            )

    def rows(self) -> RichTable:
        """The table as of now: running cells first, then unexpected ones; what does not fit is counted."""
        height = max(3, (self._live.console.height if self._live else 40) - _ROWS_OFF)
        order = sorted(
            self._cells,
            key=lambda cell: (
                -self._running[cell.key],
                cell.key not in self._unexpected,
                not self._found[cell.key],
            ),
        )
        table = RichTable(box=None, pad_edge=False, expand=True)
        # Names are cut before numbers: the other columns are as wide as what is in them.
        rows = [self._row(cell) for cell in order[:height]]
        titles = (f"{self._done}/{self._planned}", self._time(), "verdicts", "anomalies")
        for at, title in enumerate(titles):
            least = max([len(title), *(len(row[at]) for row in rows)])
            name = at == _NAME
            table.add_column(
                title,
                no_wrap=True,
                overflow="ellipsis",
                min_width=None if name else least,
                ratio=1 if name else None,
            )
        for row in rows:
            table.add_row(*row)
        if len(order) > height:
            table.add_row("", Text(f"and {len(order) - height} more cells", style="dim"), "", "")
        return table

    def _row(self, cell: Cell) -> tuple[str | Text, ...]:
        found = self._found[cell.key]
        tries = sum(found.values())
        verdicts = Text()
        for verdict, (mark, tint) in _MARKS.items():
            if found[verdict]:
                verdicts.append(f"{mark}{found[verdict]} ", style=tint)
        rate = rates.text(found["invalid"], tries - found["error"]) if tries - found["error"] > 1 else ""
        since = self._since.get(cell.key) if self._running[cell.key] else None
        state = "" if since is None else f"▶ {_about(time.monotonic() - since)} "
        return f"{state}{tries}/{cell.repeat}", Text(cell.name), verdicts, rate

    def _time(self) -> str:
        """How long it has taken, and about how long it will: by the mean of the runs so far, else by their load."""
        gone = _about(time.monotonic() - self._begun_s)
        left = self._planned - self._done
        if not left:
            return f"cell, {gone} gone"
        mean_s = (
            sum(self._took) / len(self._took)
            if self._took
            else sum(cell.test.time + _AROUND_S for cell in self._cells) / max(1, len(self._cells))
        )
        left_s = mean_s * left / max(1, sum(self._running.values()))
        return f"cell, {gone} gone, about {_about(left_s)} left"


def _about(seconds: float) -> str:
    """A time that passes, as people write it: 40 s, 12 min, 3.5 h."""
    for unit, size, most in (("s", 1, 100), ("min", 60, 100 * 60)):
        if seconds < most:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 3600:.1f} h"


def line(record: Record, done: int, planned: int) -> str:
    """One run for a log, without colours; what is not valid says why."""
    mark = _MARKS[record.verdict][0]
    expected = "" if record.as_expected else f" (expected {record.expect})"
    again = f", {record.attempts} attempts" if record.attempts > 1 else ""
    what = f"{record.name}  seed {record.seed}  {record.time_s:.0f} s{again}"
    told = f"[{done}/{planned}] {mark} {record.verdict}{expected}  {what}"
    sentence = click.unstyle(record.sentence)
    sentence = sentence if len(sentence) <= _SENTENCE_MAX else sentence[:_SENTENCE_MAX] + " …"
    return told if record.verdict == "valid" else f"{told}\n        {sentence}"
