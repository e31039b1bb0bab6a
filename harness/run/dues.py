"""Latency from the moment an operation was due, where the load has a rate: what users who do not wait would see.

Clients wait for their answers, so in an outage few operations are slow, and the many that should have begun meanwhile
are not asked at all. Counted from its call, the latency of that load looks fine (coordinated omission, as Gil Tene
named it; wrk2 and k6 count from the intended start). The pace of a run knows when each operation was due; those that it
forgives after more than a second are counted with what they would have waited at least.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable
from typing import Final

import numpy as np

from quorate.harness.generators import Context, Generator, Invocation, Offer, Step
from quorate.harness.generators.timing import Paced
from quorate.harness.history.event import Event

ALL: Final = "all"
_FORGIVEN_MAX: Final = 100_000
_SAMPLES_MAX: Final = 20_000_000


class Due(Invocation, frozen=True, gc=False):
    """An invocation that knows when it was due, in nanoseconds since the run's start."""

    due_ns: int = 0


class Timed(Generator, frozen=True, gc=False):
    """Gives what its paced child gives, as `Due`; asks `forgiven` from when on, and how long, nothing was asked."""

    child: Paced
    forgiven: Callable[[int, int], None]

    def next(self, ctx: Context) -> Step | None:
        """Ask the child; its next moment follows from this one unless more than a second of it is forgiven."""
        due = ctx.time_ns if self.child.due_ns is None else self.child.due_ns
        step = self.child.next(ctx)
        if step is None:
            return None
        decision, child = step
        assert isinstance(child, Paced)
        if isinstance(decision, Offer):
            asked = decision.invocation
            decision = Offer(Due(asked.f, asked.key, asked.value, due), decision.thread)
            skipped = ctx.time_ns - Paced.FORGIVEN_NS - due
            if skipped > 0:
                self.forgiven(ctx.time_ns - due, skipped)
        return decision, Timed(child, self.forgiven)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the child."""
        child = self.child.update(ctx, event)
        if child is self.child:
            return self
        assert isinstance(child, Paced)
        return Timed(child, self.forgiven)


class Latencies:
    """Collects how long after its due moment each operation was answered."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._ns: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        self._forgiven: array[int] = array("q")
        self._count = 0

    def answered(self, invocation: Invocation, now_ns: int) -> None:
        """Note an answer; an invocation that was never due at a moment does not count."""
        if isinstance(invocation, Due) and self._count < _SAMPLES_MAX:
            self._count += 1
            self._ns[invocation.f].append(now_ns - invocation.due_ns)

    def forgiven(self, late_ns: int, skipped_ns: int) -> None:
        """Note that the pace left out what was due in a stretch; the first of it is `late_ns` late by now."""
        many = min(int(skipped_ns / 1e9 * self._rate), _FORGIVEN_MAX)
        if many and len(self._forgiven) < _SAMPLES_MAX:
            self._forgiven.extend(np.linspace(late_ns, late_ns - skipped_ns, many).astype(np.int64).tolist())

    def summary(self) -> dict[str, dict[str, float]]:
        """Return p50, p95, p99 and max in ms, by function and for all (`all`, with what was forgiven)."""
        found = {f: _quantiles(np.frombuffer(each, dtype=np.int64)) for f, each in sorted(self._ns.items())}
        every = [*self._ns.values(), self._forgiven]
        together = np.concatenate([np.frombuffer(each, dtype=np.int64) for each in every])
        return (
            found | {ALL: {**_quantiles(together), "left_out": len(self._forgiven)}} if len(together) else {}
        )


def _quantiles(ns: np.ndarray) -> dict[str, float]:
    if not len(ns):
        return {}
    ms = ns / 1e6
    p50, p95, p99 = (round(float(each), 3) for each in np.percentile(ms, [50, 95, 99]))
    return {"p50": p50, "p95": p95, "p99": p99, "max": round(float(ms.max()), 3)}
