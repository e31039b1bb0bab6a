"""GitHub Actions: annotations on the run's page, and the step's summary."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

from quorate.reports import markdown, matrix, terminal_text, words

# GitHub shows ten annotations of each kind a step, and drops a summary beyond one MiB.
_ANNOTATIONS_MAX: Final = 10
_SUMMARY_MAX: Final = 1_000_000


def write(folder: Path, *, environment: Mapping[str, str] | None = None, out: TextIO | None = None) -> bool:
    """Print annotations and append the step's summary where this runs under GitHub Actions; return whether it does."""
    environment = os.environ if environment is None else environment
    if environment.get("GITHUB_ACTIONS") != "true":
        return False
    out = sys.stdout if out is None else out
    for line in commands(folder):
        out.write(line + "\n")
    summary = environment.get("GITHUB_STEP_SUMMARY")
    if summary:
        content = markdown.text(folder)
        if len(content.encode()) > _SUMMARY_MAX:
            content = content.encode()[:_SUMMARY_MAX].decode("utf-8", "ignore") + "\n\nCut short.\n"
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(content)
    return True


def commands(folder: Path) -> list[str]:
    """Return workflow commands: an error for each failure, a warning for each inconclusive run."""
    found = matrix.read(folder)
    lines: list[str] = []
    for command, states in (("error", ("failed", "error")), ("warning", ("inconclusive",))):
        cells = [cell for cell in found.cells if cell.state in states]
        shown = cells if len(cells) <= _ANNOTATIONS_MAX else cells[: _ANNOTATIONS_MAX - 1]
        for cell in shown:
            story = terminal_text.clean(cell.news) + (
                f"\nto repeat: {terminal_text.clean(cell.command)}" if cell.command else ""
            )
            lines.append(f"::{command} title={_property(words.cut(cell.title, 200))}::{_message(story)}")
        if len(cells) > len(shown):
            lines.append(
                f"::{command} title={_property(found.name)}::{len(cells) - len(shown)} more in the step's summary"
            )
    return lines


def _message(content: str) -> str:
    return content.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(content: str) -> str:
    return _message(terminal_text.clean(content)).replace(":", "%3A").replace(",", "%2C")
