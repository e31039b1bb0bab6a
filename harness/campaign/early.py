"""When a cell's rate is known well enough that more repeats would only cost time."""

from __future__ import annotations

from quorate.reports.rates import interval


def is_clear(hits: int, tries: int, *, width: float = 0.25, tries_min: int = 5) -> bool:
    """Whether more tries would hardly change the answer: enough were made, the interval is narrower than `width`."""
    low, high = interval(hits, tries)
    return tries >= tries_min and high - low <= width
