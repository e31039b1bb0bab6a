"""Rates with honest intervals: the score interval of Wilson (JASA 1927), good for 0 of 3 as for 500 of 1000."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

Z_95: Final = 1.959963984540054
_HALVINGS: Final = 50


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


def exact(hits: int, tries: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return bounds that hold the true rate with at least this confidence: Clopper and Pearson (Biometrika 1934).

    Never too narrow, whatever the rate and the number of tries, where Wilson's is right on average; (0, 1) where
    nothing was tried.
    """
    if tries == 0:
        return (0.0, 1.0)
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else _solve(lambda rate: _at_least(hits, tries, rate) - tail)
    high = 1.0 if hits == tries else _solve(lambda rate: tail - _at_most(hits, tries, rate))
    return (low, high)


def is_clear(hits: int, tries: int, *, width: float = 0.25, tries_min: int = 5) -> bool:
    """Whether more tries would hardly change the answer: enough were made, the interval is narrower than `width`."""
    low, high = interval(hits, tries)
    return tries >= tries_min and high - low <= width


def _at_least(hits: int, tries: int, rate: float) -> float:
    return math.fsum(_binomial(k, tries, rate) for k in range(hits, tries + 1))


def _at_most(hits: int, tries: int, rate: float) -> float:
    return math.fsum(_binomial(k, tries, rate) for k in range(hits + 1))


def _binomial(hits: int, tries: int, rate: float) -> float:
    """Return the probability of so many hits, for a rate strictly between 0 and 1."""
    ways = math.lgamma(tries + 1) - math.lgamma(hits + 1) - math.lgamma(tries - hits + 1)
    return math.exp(ways + hits * math.log(rate) + (tries - hits) * math.log1p(-rate))


def _solve(rising: Callable[[float], float]) -> float:
    """Return where a function that rises from below to above nothing over (0, 1) crosses it."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
