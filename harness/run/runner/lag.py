"""How late the event loop is: a heartbeat's delays, kept as a histogram of bounded size."""

from __future__ import annotations

from collections import Counter
from typing import Final

_STEPS: Final = 16  # per doubling: buckets are 1/16 wide, so a percentile is at most 6 % too high


def _bucket(lag_ns: int) -> int:
    shift = max(0, lag_ns.bit_length() - 5)
    return shift * _STEPS + (lag_ns >> shift)


def _upper_ns(bucket: int) -> int:
    """Return the end of a bucket."""
    if bucket < 2 * _STEPS:
        return bucket
    shift = bucket // _STEPS - 1
    return ((bucket - shift * _STEPS) + 1) << shift


class Lag:
    """Delays of a heartbeat, in nanoseconds."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.max_ns = 0

    def add(self, lag_ns: int) -> None:
        """Count one beat."""
        lag_ns = max(lag_ns, 0)
        self._counts[_bucket(lag_ns)] += 1
        self.max_ns = max(self.max_ns, lag_ns)

    def quantile_ms(self, share: float) -> float:
        """Return the delay, in ms, that this share of the beats did not exceed."""
        wanted = share * self._counts.total()
        seen = 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= wanted:
                return min(_upper_ns(bucket), self.max_ns) / 1e6
        return 0.0
