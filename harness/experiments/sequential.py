"""Does it still happen? A sequential probability ratio test over runs, of which each shows the anomaly or does not.

Wald (Annals of Mathematical Statistics, 1945) between "in at least `often` of the runs" and "in at most `rarely` of
them". The bounds are the conservative ones, log 1/error rather than Wald's approximation: the likelihood ratio is a
martingale under either hypothesis, so by Ville's inequality neither error exceeds its promise, however one looks.

See docs/decisions/experiments.md.
"""

from __future__ import annotations

import math
from typing import Literal, Self

import msgspec

from quorate.harness.core.outcome import UsageError
from quorate.reports import rates

Answer = Literal["yes", "no", "undecided"]


class Question(msgspec.Struct, frozen=True):
    """What is asked: "yes", it happens in at least `often` of the runs, or "no", in at most `rarely` of them.

    `error` bounds the probability of either wrong answer where the true rate is one of the two or beyond them. A rate
    between them gets either answer. Raise `UsageError` for rates that ask nothing.
    """

    often: float = 0.5
    rarely: float = 0.1
    error: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what cannot be decided."""
        if not 0 < self.rarely < self.often < 1:
            raise UsageError(
                f"from {self.rarely:g} to {self.often:g}: give two rates between 0 and 1, the lower first"
            )
        most = 0.5
        if not 0 < self.error < most:
            raise UsageError(f"an error of {self.error:g}: give a number between 0 and {most:g}")

    @property
    def hit(self) -> float:
        """How much one run that shows it speaks for "often", as the logarithm of a ratio."""
        return math.log(self.often / self.rarely)

    @property
    def miss(self) -> float:
        """The same of one run that does not show it: less than nothing."""
        return math.log((1 - self.often) / (1 - self.rarely))

    @property
    def bound(self) -> float:
        """From here on the answer is "yes", and from its negative on "no"."""
        return math.log(1 / self.error)

    @property
    def misses_needed(self) -> int:
        """How many runs in a row that do not show it are a "no"."""
        return math.ceil(self.bound / -self.miss - 1e-9)

    @property
    def hits_needed(self) -> int:
        """How many runs in a row that show it are a "yes"."""
        return math.ceil(self.bound / self.hit - 1e-9)

    @classmethod
    def about(cls, rate: float, error: float = 0.05) -> Self:
        """Return the question whether something still happens about as often as at `rate`, rather than a fifth of it.

        Four fifths of the rate are enough; the rate itself is taken as between 5 and 95 %.
        """
        often = 0.8 * min(0.95, max(0.05, rate)) if rate < 1 else 0.9
        return cls(often=often, rarely=often / 5, error=error)


class Tally(msgspec.Struct, frozen=True):
    """What the runs of one question showed. Inconclusive and broken runs say nothing and are counted apart."""

    hits: int = 0
    misses: int = 0
    inconclusive: int = 0
    broken: int = 0

    @property
    def tries(self) -> int:
        """How many runs said something."""
        return self.hits + self.misses

    @property
    def runs(self) -> int:
        """How many were made in all."""
        return self.tries + self.inconclusive + self.broken

    def answer(self, question: Question) -> Answer:
        """Return the answer that these runs give. Ask after each run: the first that is not "undecided" counts."""
        evidence = self.hits * question.hit + self.misses * question.miss
        if evidence >= question.bound - 1e-9:
            return "yes"
        return "no" if evidence <= 1e-9 - question.bound else "undecided"

    def add(self, other: Tally) -> Tally:
        """Return the sum of both."""
        return Tally(
            self.hits + other.hits,
            self.misses + other.misses,
            self.inconclusive + other.inconclusive,
            self.broken + other.broken,
        )

    def words(self) -> str:
        """Write the rate with its exact interval: `3 of 5 runs (15 to 95 %)`, and what said nothing."""
        low, high = rates.exact(self.hits, self.tries)
        text = f"{self.hits} of {self.tries} runs ({low * 100:.0f} to {high * 100:.0f} %)"
        apart = [(self.inconclusive, "inconclusive"), (self.broken, "broken")]
        return "; ".join([text, *(f"{count} {word}" for count, word in apart if count)])
