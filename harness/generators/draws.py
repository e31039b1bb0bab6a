"""Small pure randomness: a 64-bit state that is a plain integer, so that a generator can hold it as a value.

The step is PCG-XSH-RS 64/32 (M. E. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good
Algorithms for Random Number Generation", 2014); seeds are spread by SplitMix64's finalizer. Not for secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, TypeVar

T = TypeVar("T")
_MASK: Final = (1 << 64) - 1
_MULTIPLIER: Final = 6364136223846793005
_INCREMENT: Final = 1442695040888963407


def seed_of(rng: Random) -> int:
    """Draw a 64-bit seed from the run's seeded randomness."""
    return rng.getrandbits(64)


def spread(seed: int, n: int) -> int:
    """Return a state for the n-th of many streams of one seed; neighbouring n give unrelated states."""
    z = (seed + (n + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def advance(state: int) -> int:
    """Return the next state."""
    return (state * _MULTIPLIER + _INCREMENT) & _MASK


def output(state: int) -> int:
    """Return the 32 random bits of a state."""
    return ((state ^ (state >> 22)) >> (22 + (state >> 61))) & 0xFFFFFFFF


class Draws:
    """Random draws for one operation: a throw-away stream that depends only on the seed and the operation's number."""

    __slots__ = ("_n", "_seed", "_state")

    def __init__(self, seed: int, n: int = 0) -> None:
        self._seed = seed
        self._n = n
        self._state: int | None = None  # worked out late: many operations need no draw

    def bits(self) -> int:
        """Return 32 random bits."""
        state = spread(self._seed, self._n) if self._state is None else self._state
        self._state = advance(state)
        return output(state)

    def below(self, limit: int) -> int:
        """Return an integer from 0 to `limit` - 1 (bias under `limit` / 2**32)."""
        return (self.bits() * limit) >> 32

    def chance(self, share: float) -> bool:
        """Return True with this probability."""
        return self.bits() < share * 4294967296.0

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices, which must not be empty."""
        return choices[self.below(len(choices))]
