"""Weak reads by their own promise: a state that was, no older than promised; and how old they were.

One pass over replies that carry versions. A read may be behind; it must be a state that its key had: the value that the
write of this version left. Where promised, versions never go back within a session, a session sees its own writes, and
nothing is older than a bound. Staleness itself is a figure, not an anomaly:
how long before the read was called a newer version had been acknowledged.

Cannot see: reads without versions, and versions whose write was never answered.
"""

from __future__ import annotations

import bisect
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from quorate.checkers.tell import replayed, told
from quorate.harness.core.verdict import Anomaly, Limits, Result
from quorate.harness.history import Event, History

_NS: Final = 1e9
_PERCENTILES: Final = (50, 90, 99)


class Staleness(msgspec.Struct, frozen=True):
    """How old reads were: how many of how many were behind, and by how many seconds."""

    reads: int
    behind: int
    max_s: float
    percentiles_s: dict[str, float]


class StaleReads:
    """Reads of registers are states that were; `monotonic`, `own_writes` and `bound_s` are what else is promised."""

    name = "weak-reads"

    def __init__(
        self, *, monotonic: bool = True, own_writes: bool = True, bound_s: float | None = None
    ) -> None:
        self.monotonic = monotonic
        self.own_writes = own_writes
        self.bound_s = bound_s

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; O(n log n). Without a read that carries a version there is nothing to say: unknown."""
        del limits
        started = time.perf_counter()
        pass_ = _Pass(self, history)
        found = pass_.run()
        missing = "" if pass_.ages else "no read carried a version"
        return replayed(
            self.name,
            found,
            missing,
            operations=len(pass_.ages),
            started=started,
            stats={"staleness": msgspec.to_builtins(staleness(pass_.ages))},
        )


def staleness(ages: Sequence[float]) -> Staleness:
    """The figures of these ages, in seconds; 0 is a read that was not behind."""
    ordered = sorted(ages)
    last = len(ordered) - 1
    return Staleness(
        reads=len(ordered),
        behind=sum(age > 0 for age in ordered),
        max_s=ordered[-1] if ordered else 0.0,
        percentiles_s={
            f"p{share}": ordered[round(last * share / 100)] if ordered else 0.0 for share in _PERCENTILES
        },
    )


class _Pass:
    def __init__(self, promised: StaleReads, history: History) -> None:
        self.promised = promised
        self.events = history.events()
        self.pair = history.columns.pair.tolist()
        self.ages: list[float] = []
        # By key: versions and acknowledgements in order of time, each version higher than all before it.
        self.acknowledged: defaultdict[Any, list[tuple[int, int]]] = defaultdict(list)
        self.wrote: dict[tuple[Any, int], Event] = {}
        self.seen: dict[tuple[Any, Any], Event] = {}
        self.own: dict[tuple[Any, Any], Event] = {}

    def run(self) -> list[Anomaly]:
        done = [event for event in self.events if event.type == "ok" and event.version is not None]
        for event in done:
            if event.f in ("write", "cas"):
                self.wrote[_key(event), event.version or 0] = event
        found: list[Anomaly] = []
        for at, event in enumerate(self.events):
            if event.type != "ok" or event.version is None:
                continue
            if event.f in ("write", "cas"):
                self._write(event)
            elif event.f == "read":
                found += self._read(event, self.events[self.pair[at]])
        return found

    def _write(self, event: Event) -> None:
        key, version = _key(event), event.version or 0
        steps = self.acknowledged[key]
        if not steps or steps[-1][0] < version:
            steps.append((version, event.time))
        self.own[event.process, key] = event

    def _read(self, event: Event, call: Event) -> list[Anomaly]:
        key, version = _key(event), event.version or 0
        found: list[Anomaly] = []
        write = self.wrote.get((key, version))
        who = f"p{event.process} read version {version} of {event.key}"
        if write is not None and _left(write) != event.value:
            found.append(
                told(
                    "state that never was", f"{who} as {event.value}, which was {_left(write)}", event, write
                )
            )
        before = self.seen.get((event.process, key))
        if self.promised.monotonic and before is not None and (before.version or 0) > version:
            found.append(
                told(
                    "read went back", f"{who}, but it had read version {before.version} before", event, before
                )
            )
        own = self.own.get((event.process, key))
        if self.promised.own_writes and own is not None and (own.version or 0) > version:
            found.append(
                told(
                    "own write unseen", f"{who}, but it had written version {own.version} before", event, own
                )
            )
        if before is None or (before.version or 0) < version:
            self.seen[event.process, key] = event
        age = self._age(key, version, call.time)
        self.ages.append(age)
        bound = self.promised.bound_s
        if bound is not None and age > bound:
            found.append(
                told(
                    "staler than promised",
                    f"{who}, {age:.3f} s after a newer one, and {bound:g} s is the bound",
                    event,
                )
            )
        return found

    def _age(self, key: Any, version: int, called: int) -> float:
        """How long before the call the first newer version had been acknowledged, in seconds."""
        steps = self.acknowledged[key]
        newer = bisect.bisect_right(steps, version, key=lambda step: step[0])
        return max(0.0, (called - steps[newer][1]) / _NS) if newer < len(steps) else 0.0


def _key(event: Event) -> Any:
    return msgspec.json.encode(event.key)


def _left(write: Event) -> Any:
    return write.value[1] if write.f == "cas" else write.value
