"""Weak reads by their own promise: a state that was, no older than promised; and how old they were.

One pass over replies that carry versions. A read may be behind; it must be a state that its key had in the order of its
updates (`weak_states`). Where promised, reads never go back within a session, a session sees its own writes, and
nothing is older than a bound. Staleness itself is a figure, not an anomaly: how long before the read was called a newer
update had been acknowledged, how often, and during which fault.

Cannot see: the order of updates whose version no reply carried, and what only reads of two keys together show.

See docs/decisions/weak-reads.md.
"""

from __future__ import annotations

import bisect
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from quorate.checkers.replays import replayed, shown_by
from quorate.checkers.replies import confirmed
from quorate.checkers.weak_states import STATES, Line, Update
from quorate.harness.core.injection import injections
from quorate.harness.core.results import Behind
from quorate.harness.core.verdict import Anomaly, Limits, Result
from quorate.harness.history import Event, History
from quorate.harness.history.columns import NONE

_NS: Final = 1e9
_PERCENTILES: Final = (50, 90, 99)
_FAULTS_MAX: Final = 200


class Staleness(msgspec.Struct, frozen=True):
    """How old reads were: how many of how many were behind, and by how many seconds."""

    reads: int
    behind: int
    max_s: float
    percentiles_s: dict[str, float]


class StaleReads:
    """Reads are states that were; `monotonic`, `own_writes` and `bound_s` are what else is promised.

    `model` is `register`, `cas-register`, `set` or `counter`. A session is what replies name as such, or a process.
    """

    name = "weak-reads"

    def __init__(
        self,
        *,
        monotonic: bool = True,
        own_writes: bool = True,
        bound_s: float | None = None,
        model: str = "register",
    ) -> None:
        self.monotonic = monotonic
        self.own_writes = own_writes
        self.bound_s = bound_s
        self.model = model

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; O(n log n), for sets and counters times the updates of a key. Unknown where no read can be placed."""
        del limits
        started = time.perf_counter()
        judged = _Pass(self, history)
        found = judged.run()
        ages = [age for _, age in judged.ages]
        result = replayed(
            self.name,
            found,
            "" if ages else "no read carried a version",
            operations=len(ages),
            started=started,
            stats={
                "staleness": msgspec.to_builtins(staleness(ages)),
                "went_back": judged.back,
                "own_writes_unseen": judged.unseen,
                "by_fault": [msgspec.to_builtins(row) for row in _by_fault(history, judged.ages)],
            },
        )
        return confirmed(result, history, model=self.model)


def staleness(ages: Sequence[float]) -> Staleness:
    """The figures of these ages, in seconds; 0 is a read that was not behind."""
    ordered = sorted(ages)
    last = len(ordered) - 1
    return Staleness(
        reads=len(ordered),
        behind=sum(age > 0 for age in ordered),
        max_s=round(ordered[-1], 6) if ordered else 0.0,
        percentiles_s={
            f"p{share}": round(ordered[round(last * share / 100)], 6) if ordered else 0.0
            for share in _PERCENTILES
        },
    )


class _Seen(NamedTuple):
    """How far a reply had come: the version that it carried, else that of the newest update in it."""

    version: int
    event: Event


class _Pass:
    def __init__(self, promised: StaleReads, history: History) -> None:
        self.promised = promised
        self.states = STATES[promised.model]
        self.events = history.events()
        self.pair = history.columns.pair.tolist()
        self.ages: list[tuple[int, float]] = []
        self.back = self.unseen = 0
        self._lines: dict[Any, Line] = {}
        # By key: versions and acknowledgements in order of time, each version higher than all before it.
        self._acknowledged: defaultdict[Any, list[tuple[int, int]]] = defaultdict(list)
        self._seen: dict[tuple[Any, Any], _Seen] = {}
        self._own: dict[tuple[Any, Any], _Seen] = {}

    def run(self) -> list[Anomaly]:
        updates: defaultdict[Any, list[Update]] = defaultdict(list)
        for at, event in enumerate(self.events):
            if event.type == "invoke" and event.f in self.states.updates and event.process != "nemesis":
                end = None if self.pair[at] == NONE else self.events[self.pair[at]]
                if end is None or end.type != "fail":
                    updates[_key(event)].append(_update(event, end))
        self._lines = {key: Line(found) for key, found in updates.items()}
        found: list[Anomaly] = []
        for at, event in enumerate(self.events):
            if event.type != "ok" or self.pair[at] == NONE:
                continue
            if event.f in self.states.updates and event.version is not None:
                self._update(event, event.version)
            elif event.f == self.states.reads:
                found += self._read(event, self.events[self.pair[at]])
        return found

    def _update(self, event: Event, version: int) -> None:
        key = _key(event)
        steps = self._acknowledged[key]
        if not steps or steps[-1][0] < version:
            steps.append((version, event.time))
        own = self._own.get((_session(event), key))
        if own is None or own.version < version:
            self._own[_session(event), key] = _Seen(version, event)

    def _read(self, event: Event, call: Event) -> Iterator[Anomaly]:
        key = _key(event)
        line = self._lines.get(key) or Line(())
        known = self.states.shown(line, event) if event.version is None else None
        place = line.place(event.version, known)
        who = f"p{event.process} read {_short(event.value)}" + (f" of {event.key}" if event.key else "")
        wrong = self.states.wrong(line, event, place)
        if wrong is not None:
            text, other = wrong
            at = f" at version {event.version}" if event.version is not None else ""
            yield shown_by(
                "state that never was", f"{who}{at}, {text}", event, *([other.event] if other else [])
            )
            return
        if place is None or not line.order:
            age_ns = self.states.age_ns(line, event, call.time)
            self.ages += [] if age_ns is None else [(call.time, age_ns / _NS)]
            return
        version = event.version
        if version is None:
            version = (line.order[place - 1].version or 0) if place else 0
        yield from self._session(_Seen(version, event), key, who)
        age = self._age(key, version, call.time)
        self.ages.append((call.time, age))
        bound = self.promised.bound_s
        if bound is not None and age > bound:
            yield shown_by(
                "staler than promised",
                f"{who}, {age:.3f} s after something newer was acknowledged, and {bound:g} s is the bound",
                event,
            )

    def _session(self, now: _Seen, key: Any, who: str) -> Iterator[Anomaly]:
        """Hold a read against what its session has read and written before."""
        at = _session(now.event), key
        before, own = self._seen.get(at), self._own.get(at)
        where = f"session {now.event.session}" if now.event.session is not None else "it"
        if before is not None and before.version > now.version:
            self.back += 1
            if self.promised.monotonic:
                text = f"{who} at version {now.version}, but {where} had read version {before.version} before"
                yield shown_by("read went back", text, now.event, before.event)
        if own is not None and own.version > now.version:
            self.unseen += 1
            if self.promised.own_writes:
                text = f"{who} at version {now.version}, but {where} had written version {own.version} before"
                yield shown_by("own write unseen", text, now.event, own.event)
        if before is None or before.version < now.version:
            self._seen[at] = now

    def _age(self, key: Any, version: int, called: int) -> float:
        """How long before the call the first newer version had been acknowledged, in seconds."""
        steps = self._acknowledged[key]
        newer = bisect.bisect_right(steps, version, key=lambda step: step[0])
        return max(0.0, (called - steps[newer][1]) / _NS) if newer < len(steps) else 0.0


def _by_fault(history: History, ages: Sequence[tuple[int, float]]) -> list[Behind]:
    """The ages of the reads that were asked for during each fault, and outside of all of them."""
    windows = [(one.fault, one.target, one.began_ns, one.healed_ns) for one in injections(history.nemesis())][
        :_FAULTS_MAX
    ]
    rows = []
    for fault, target, begun, over in windows:
        inside = [age for called, age in ages if begun <= called and (over is None or called < over)]
        until = None if over is None else round(over / _NS, 4)
        rows.append(_row(fault, target, round(begun / _NS, 4), until, inside))
    calm = [
        age
        for called, age in ages
        if not any(begun <= called and (over is None or called < over) for _, _, begun, over in windows)
    ]
    return [*rows, _row("none", "", 0.0, None, calm)] if rows else []


def _row(fault: str, target: str, begun: float, over: float | None, ages: Sequence[float]) -> Behind:
    behind = sum(age > 0 for age in ages)
    return Behind(fault, target, begun, over, len(ages), behind, round(max(ages, default=0.0), 6))


def _update(call: Event, end: Event | None) -> Update:
    answered = end is not None and end.type == "ok"
    value = call.value[1] if call.f == "cas" else call.value
    return Update(
        call.time,
        end.time if end is not None and answered else None,
        end.version if end is not None and answered else None,
        value,
        end if end is not None and answered else call,
    )


def _session(event: Event) -> Any:
    return event.session if event.session is not None else event.process


def _key(event: Event) -> Any:
    return msgspec.json.encode(event.key)


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return f"{len(value)} elements" if len(value) != 1 else "1 element"
    return str(value)
