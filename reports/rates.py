"""Rates with honest intervals: the score interval of Wilson (JASA 1927), good for 0 of 3 as for 500 of 1000."""

from __future__ import annotations

import math
from typing import Final

Z_95: Final = 1.959963984540054


def interval(hits: int, tries: int, z: float = Z_95) -> tuple[float, float]:
    """Return bounds of the true rate, 0 to 1, at 95 % confidence; (0, 1) where nothing was tried."""
    if tries == 0:
        return (0.0, 1.0)
    rate = hits / tries
    spread = z * math.sqrt(rate * (1 - rate) / tries + z * z / (4 * tries * tries))
    middle, scale = rate + z * z / (2 * tries), 1 + z * z / tries
    return (max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale))


def text(hits: int, tries: int) -> str:
    """Write a rate with its interval: `3 of 5 (23 to 88 %)`."""
    low, high = interval(hits, tries)
    return f"{hits} of {tries} ({low * 100:.0f} to {high * 100:.0f} %)"
