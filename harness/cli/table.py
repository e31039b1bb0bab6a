"""The live table of a campaign: one line as each run ends, readable in a CI log."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from harness.campaign.cell import Record
from harness.campaign.file import Campaign
from harness.campaign.jobs import Job

_MARKS = {
    "valid": ("✓", "green"),
    "invalid": ("✗", "red"),
    "unknown": ("?", "yellow"),
    "error": ("!", "magenta"),
}


class Table:
    """Prints each record to stderr; on a terminal the last line says what is running."""

    def __init__(self, campaign: Campaign, *, silent: bool) -> None:
        self._silent = silent
        self._terminal = sys.stderr.isatty()
        self._planned = sum(cell.repeat for cell in campaign.cells)
        self._done = 0

    def __call__(self, record: Record | None, running: Sequence[Job]) -> None:
        """Show one record, or that a job began."""
        if self._silent:
            return
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
        if record is not None:
            self._done += 1
            sys.stderr.write(_line(record, self._done, self._planned, colour=self._terminal) + "\n")
        if self._terminal and running:
            names = "; ".join(f"{job.cell.name} seed {job.seed}" for job in running)
            sys.stderr.write(f"running {names}"[:100])
        sys.stderr.flush()


def _line(record: Record, done: int, planned: int, *, colour: bool) -> str:
    mark, tint = _MARKS[record.verdict]
    mark = click.style(mark, fg=tint) if colour else mark
    expected = "" if record.as_expected else f" (expected {record.expect})"
    what = f"{record.name}  seed {record.seed}  {record.time_s:.0f} s"
    words = f"[{done}/{planned}] {mark} {record.verdict}{expected}  {what}"
    return words if record.verdict == "valid" else f"{words}\n        {record.sentence}"
