"""The steps of an experiment as they are decided: a line each, and on a terminal what is being asked now."""

from __future__ import annotations

import sys
from typing import Final, TextIO

import click
from rich.console import Console
from rich.status import Status

from quorate.harness.experiments.decide import Decision
from quorate.harness.experiments.sequential import Tally

_MARKS: Final = {"yes": ("✓", "green"), "no": ("✗", "bright_black"), "undecided": ("?", "yellow")}


class Steps:
    """Writes to stderr, so that what a command prints stays apart."""

    def __init__(self, *, silent: bool, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._silent = silent
        self._status: Status | None = None
        if self._out.isatty() and not silent:
            self._status = Status("", console=Console(file=self._out))
            self._status.start()

    def asking(self, words: str, tally: Tally) -> None:
        """Show what is being asked, and what its runs have said so far."""
        if self._status is not None:
            self._status.update(f"{words}: {tally.words()}" if words else tally.words())

    def decided(
        self, number: int, words: str, decision: Decision, now: str, *, remembered: bool = False
    ) -> None:
        """Write one answer in a line."""
        if self._silent:
            return
        mark, colour = _MARKS[decision.answer]
        took = "as before" if remembered else f"{decision.seconds:.1f} s"
        tries = f"{decision.tally.hits} of {decision.tally.runs}"
        line = f"{number:4d} {click.style(mark, fg=colour)} {words:<48} {tries:>8} {took:>10}"
        line += f"  {now}" if decision.answer == "yes" else ""
        if self._status is not None:
            self._status.console.print(line, highlight=False, markup=False, soft_wrap=True)
        else:
            click.echo(line, file=self._out, color=self._out.isatty())

    def close(self) -> None:
        """Take the status line away."""
        if self._status is not None:
            self._status.stop()
