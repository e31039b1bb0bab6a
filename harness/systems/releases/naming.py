"""What people write for a release: `v3.5.16`, `3.5` for the newest of that line, `latest` for the newest of all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from quorate.harness.systems.releases.way import numbers

LATEST: Final = "latest"
_WHOLE: Final = 3  # major, minor, patch


def plain(text: str) -> str:
    """Return the text without a `v` before its number."""
    return text[1:] if text[:1] == "v" and text[1:2].isdigit() else text


def line_of(text: str) -> tuple[int, ...] | None:
    """Return the numbers that a release meant by this begins with; None where no line of releases is meant."""
    wanted = plain(text).partition("+")[0]
    if wanted == LATEST:
        return ()
    parts = wanted.split(".")
    return numbers(wanted) if len(parts) < _WHOLE and all(part.isdecimal() for part in parts) else None


def newest(text: str, known: Iterable[str]) -> str:
    """Return the newest of the known releases of the line that is meant, or the text itself where there is none.

    A suffix such as `+failpoints` is kept: `3.6+failpoints` is the newest 3.6 that is known with failpoints.
    """
    line = line_of(text)
    if line is None:
        return plain(text)
    suffix = text.partition("+")[1:]
    fitting = [
        release
        for release in known
        if release.partition("+")[1:] == suffix
        and "-" not in release  # no alpha, no release candidate, unless named
        and len(numbers(release)) >= _WHOLE
        and numbers(release)[: len(line)] == line
    ]
    return max(fitting, key=numbers, default=text)
