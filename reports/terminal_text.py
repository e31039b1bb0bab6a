"""Lines for a terminal: wrapped, coloured where that was asked for, and harmless."""

from __future__ import annotations

import re
import textwrap
from typing import Final

from quorate.reports import words

_COLOURS: Final = {"red": "31", "green": "32", "yellow": "33", "bold": "1", "dim": "2"}
# What a log line or a value may not do to somebody's terminal: move the cursor, change colours, ring the bell.
_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Writer:
    """Collects lines, wrapped and cleaned; a colour is put on only where it was asked for."""

    def __init__(self, width: int, colour: bool) -> None:  # noqa: FBT001
        self.width, self.colour = width, colour
        self.lines: list[str] = []

    def line(self, text: str, colour: str = "", *, indent: int = 0, hang: int = 0) -> None:
        """Add a text, wrapped; the lines after the first stand `hang` further in."""
        wrapped = textwrap.wrap(
            clean(text), self.width, initial_indent=" " * indent, subsequent_indent=" " * (indent + hang)
        )
        self.lines += [self.paint(line, colour) for line in wrapped] or [""]

    def cut(self, text: str, colour: str = "") -> None:
        """Add a text as one line, shortened where it does not fit."""
        self.lines.append(self.paint(words.cut(clean(text), self.width), colour))

    def blank(self) -> None:
        """Add an empty line, but never two."""
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def paint(self, text: str, colour: str) -> str:
        """Put the colour on, if colours were asked for."""
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if self.colour and colour else text


def clean(text: str) -> str:
    """Take out what would steer a terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\t", " ").replace("\n", " "))
