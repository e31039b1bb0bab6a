"""Rates with honest intervals: the score interval of Wilson (JASA 1927), good for 0 of 3 as for 500 of 1000."""

from __future__ import annotations

import math
from typing import Final

Z_95: Final = 1.959963984540054


def interval(hits: int, tries: int, z: float = Z_95) -> tuple[float, float]:
    """Return the lower and upper bound of the true rate, 0 to 1; (0, 1) where nothing was tried."""
    if not 0 <= hits <= tries:
        msg = f"{hits} hits of {tries} tries"
        raise ValueError(msg)
    if tries == 0:
        return (0.0, 1.0)
    share = hits / tries
    spread = z * math.sqrt(share * (1 - share) / tries + z * z / (4 * tries * tries))
    middle = share + z * z / (2 * tries)
    scale = 1 + z * z / tries
    return (max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale))


def is_clear(hits: int, tries: int, *, width: float = 0.25, tries_min: int = 5) -> bool:
    """Whether more tries would hardly change the answer: enough were made, the interval is narrower than `width`."""
    low, high = interval(hits, tries)
    return tries >= tries_min and high - low <= width
