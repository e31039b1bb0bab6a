"""Numbers of operations as `--set only=3,7-9` has them: some of those that a run draws."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

_NUMBERS_MAX: Final = 1_000_000


def numbers(text: str) -> tuple[int, ...]:
    """Read `3,7-9` as numbers in order; raise `ValueError` for anything else, and for a number of a million."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not _is_number(first) or not _is_number(last if dash else first):
            raise ValueError(f"only={text}: write numbers of operations, from 0, as in 3,7-9")
        found.update(range(int(first), int(last or first) + 1))
    if not found:
        raise ValueError(f"only={text}: no operation is left")
    return tuple(sorted(found))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) < _NUMBERS_MAX


def ranges(chosen: Collection[int]) -> str:
    """Write numbers as `numbers` reads them."""
    runs: list[list[int]] = []
    for number in sorted(chosen):
        if runs and runs[-1][-1] == number - 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)
