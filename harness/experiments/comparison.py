"""Is one side worse than the other? Sequential tests of paired differences, valid whenever one looks at them.

Two kinds of figures: differences between -1 and 1, such as whether only one of a pair showed an anomaly, by betting
(Waudby-Smith and Ramdas, Journal of the Royal Statistical Society B, 2024); and logarithms of ratios, such as those of
latencies, by the t-test that holds at every sample size (Lai, Annals of Statistics, 1976, in the Gaussian mixture of
Wang and Ramdas, 2023). The first assumes nothing of the differences but their bounds, the second that they are about
normal.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final, Literal, Protocol

import msgspec

Word = Literal["worse", "not worse", "undecided"]

_SHARES: Final = (0.98, 0.5, 0.2, 0.1, 0.05)  # of the largest stake that cannot go bankrupt
_HALVINGS: Final = 40
_WEIGHTS: Final = (0.6, 0.1, 0.1, 0.1, 0.1)
_PRIOR: Final = 1.0  # the weight of the mixture: effects of about one standard deviation are seen soonest
_SPREAD_LEAST: Final = 1e-6  # in virtual time pairs may be equal to the last digit


class Judged(msgspec.Struct, frozen=True):
    """What the pairs so far say of one figure: bounds of the mean difference are as the figure's own scale has them."""

    word: Word
    mean: float
    low: float
    high: float
    pairs: int


class Comparison(Protocol):
    """One figure's test. `error` bounds a wrong "worse" and a wrong "not worse", each."""

    def add(self, difference: float) -> None:
        """Take in one pair: above nothing is worse."""
        ...

    def word(self) -> Word:
        """Say what is known now, in a word."""
        ...

    def judged(self) -> Judged:
        """Say the same with bounds."""
        ...


class Bounded:
    """The mean of differences in [-1, 1], against a margin: worse if it is above it for certain, not worse if below."""

    def __init__(self, margin: float, worse_error: float, fine_error: float) -> None:
        self._margin = margin
        self._worse_error = worse_error
        self._fine_error = fine_error
        self._seen: Counter[float] = Counter()

    def add(self, difference: float) -> None:
        """Take in one pair."""
        self._seen[difference] += 1

    def word(self) -> Word:
        """Return what the bets at the margin say."""
        if self._won(self._margin, 1) >= math.log(1 / self._worse_error):
            return "worse"
        return "not worse" if self._won(self._margin, -1) >= math.log(1 / self._fine_error) else "undecided"

    def judged(self) -> Judged:
        """Return the word and the bounds, each of which holds at every number of pairs."""
        pairs = self._seen.total()
        mean = math.fsum(value * times for value, times in self._seen.items()) / pairs if pairs else 0.0
        return Judged(self.word(), mean, self._bound(1), self._bound(-1), pairs)

    def _won(self, mean: float, side: int) -> float:
        """Return the logarithm of what bets have won that the true mean is above (`side` 1) or below (-1) this one."""
        # The largest stake that cannot go bankrupt.
        largest = 1 / (1 + side * mean)
        won = [
            math.fsum(
                times * math.log1p(share * largest * side * (value - mean))
                for value, times in self._seen.items()
            )
            for share in _SHARES
        ]
        most = max(won)
        total = math.fsum(weight * math.exp(each - most) for weight, each in zip(_WEIGHTS, won, strict=True))
        return most + math.log(total)

    def _bound(self, side: int) -> float:
        """Return the lower (`side` 1) or the upper bound: where the bets stop to win enough."""
        wanted = math.log(1 / self._fine_error)
        refuted, open_ = -side * (1 - 1e-9), side * (1 - 1e-9)
        if self._won(refuted, side) < wanted:
            return -float(side)
        for _ in range(_HALVINGS):
            middle = (refuted + open_) / 2
            refuted, open_ = (middle, open_) if self._won(middle, side) >= wanted else (refuted, middle)
        return open_


class Ratio:
    """The mean of logarithms of ratios, against a margin such as 0.05: five per cent more."""

    def __init__(self, margin: float, worse_error: float, fine_error: float) -> None:
        self._margin = math.log1p(margin)
        self._worse_error = worse_error
        self._fine_error = fine_error
        self._count = 0
        self._mean = 0.0
        self._squares = 0.0

    def add(self, difference: float) -> None:
        """Take in the logarithm of one ratio (Welford's sums)."""
        self._count += 1
        off = difference - self._mean
        self._mean += off / self._count
        self._squares += off * (difference - self._mean)

    def word(self) -> Word:
        """Return on which side of the margin the bounds lie."""
        if self.bounds(self._worse_error)[0] > self._margin:
            return "worse"
        return "not worse" if self.bounds(self._fine_error)[1] < self._margin else "undecided"

    def judged(self) -> Judged:
        """Return the word and the bounds, as shares: 0.03 is three per cent more."""
        low, high = self.bounds(self._fine_error)
        return Judged(self.word(), math.expm1(self._mean), _expm1(low), _expm1(high), self._count)

    def bounds(self, error: float) -> tuple[float, float]:
        """Return bounds of the mean that hold at every number of pairs at once, with this probability of an error."""
        if self._count < 2:  # noqa: PLR2004 - one value has no spread
            return -math.inf, math.inf
        free = self._count - 1
        spread = max(_SPREAD_LEAST, math.sqrt(self._squares / free))
        share = _PRIOR / (self._count + _PRIOR)
        limit = (1 / (error * math.sqrt(share))) ** (2 / self._count)
        if share * limit >= 1:
            return -math.inf, math.inf
        width = spread * math.sqrt(free * (limit - 1) / (1 - share * limit) / self._count)
        return self._mean - width, self._mean + width


def _expm1(value: float) -> float:
    return math.inf if value > 700 else math.expm1(value)  # noqa: PLR2004 - where a float ends
