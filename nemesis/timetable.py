"""When faults happen: a list of entries decided before the run, and the generator that gives them out.

See docs/decisions/faults.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Final

import msgspec

from quorate.harness.core.fault import Plan
from quorate.harness.core.injection import HEAL, INJECT, NemesisRecord, decoded
from quorate.harness.generators import Context, Generator, Invocation, Offer, Pending, Step
from quorate.harness.history import History
from quorate.harness.history.event import NEMESIS, Event
from quorate.nemesis.specs import FaultSpec

_NS: Final = 1_000_000_000
_QUIET: Final = 0.1  # of the run's time, at most, is quiet at its beginning
_SPREAD: Final = 0.3
_FREE_END: Final = 0.05  # of the run's time stays free after the last healing
_ENTRIES_MAX: Final = 100_000


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to do: at `at_ns` since the run's start.

    A healing comes not sooner than `hold_ns` after its injection; an injection not later than `latest_ns` (0: whenever
    its turn comes). `plan` is an exact plan to repeat; without it the fault makes its own.
    """

    at_ns: int
    fault: str
    action: str
    target: str
    hold_ns: int = 0
    latest_ns: int = 0
    plan: Plan | None = None

    def invocation(self) -> Invocation:
        """Return the invocation that the runner records."""
        record = NemesisRecord(self.action, self.target, self.plan)
        return Invocation(self.fault, value=record.encoded())


class Timetable(Generator, frozen=True, gc=False):
    """Gives out entries in order, each when it is due.

    `injected_ns` says when the last injection of each fault ended: what took long to inject still stays in force for a
    while. What would begin after its own healing was due is left out, with that healing, unless the fault would
    not come at all.
    """

    entries: tuple[Entry, ...]
    injected_ns: Mapping[str, int] = {}

    def next(self, ctx: Context) -> Step | None:
        """Wait for the next entry's time."""
        entries = _without_late(self.entries, ctx.time_ns, self.injected_ns)
        if not entries:
            return None
        entry = entries[0]
        due = entry.at_ns
        if entry.hold_ns:
            due = max(due, self.injected_ns.get(entry.fault, 0) + entry.hold_ns)
        if ctx.time_ns < due:
            return Pending(due), Timetable(entries, self.injected_ns)
        return Offer(entry.invocation(), ctx.pick()), Timetable(entries[1:], self.injected_ns)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Note when an injection ended."""
        del ctx
        if event.process != NEMESIS:
            return self
        return Timetable(self.entries, {**self.injected_ns, event.f: event.time})


def _without_late(
    entries: tuple[Entry, ...], now_ns: int, injected_ns: Mapping[str, int]
) -> tuple[Entry, ...]:
    """Leave out leading injections whose latest moment has passed, each with its healing.

    The only chance of a fault that has not come yet is taken late: asked for, it must be tried. Not when all should be
    healed by now, for then there may be no load left to suffer from it.
    """
    while entries and entries[0].latest_ns and now_ns > entries[0].latest_ns:
        late, rest = entries[0], entries[1:]
        again = any(entry.fault == late.fault and entry.action == INJECT for entry in rest)
        if late.fault not in injected_ns and not again and now_ns < entries[-1].at_ns:
            break
        healing = next((at for at, entry in enumerate(rest) if entry.fault == late.fault), None)
        entries = rest if healing is None else rest[:healing] + rest[healing + 1 :]
    return entries


def mixed(
    specs: Sequence[FaultSpec], *, interval_s: float, time_s: float, rng: Random, overlap: bool
) -> tuple[Entry, ...]:
    """Decide a random mix: quiet first, then inject and heal in turn, about every `interval_s`; healed at the end.

    Every fault comes once before any comes twice. A run too short for that gets shorter intervals. With `overlap`
    every fault has its own timetable, else one is in force at a time.
    """
    if not specs:
        return ()
    if not overlap:
        return tuple(_in_turn(specs, interval_s, time_s, rng))
    families: dict[str, list[FaultSpec]] = {}
    for spec in specs:
        families.setdefault(spec.name, []).append(spec)
    apart = [
        entry
        for family in families.values()
        for entry in _in_turn(family, interval_s, time_s, rng, late=True)
    ]
    return in_order(apart)


def in_order(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Sort by time; where a healing and an injection fall together, the healing comes first."""
    return tuple(sorted(entries, key=lambda entry: (entry.at_ns, entry.action == INJECT)))


def _in_turn(
    specs: Sequence[FaultSpec], interval_s: float, time_s: float, rng: Random, *, late: bool = False
) -> list[Entry]:
    quiet = min(interval_s, _QUIET * time_s) * (1 + (rng.random() if late else 0))
    end = time_s * (1 - _FREE_END)
    first_round = [rng.uniform(1 - _SPREAD, 1 + _SPREAD) for _ in range(2 * len(specs) - 1)]
    interval = min(interval_s, (end - quiet) / math.fsum(first_round))
    entries: list[Entry] = []
    bag: list[FaultSpec] = []
    now = quiet
    while len(entries) < _ENTRIES_MAX:
        if not bag:
            bag = rng.sample(list(specs), len(specs))
        hold = interval * (first_round.pop() if first_round else rng.uniform(1 - _SPREAD, 1 + _SPREAD))
        if now + hold > end * (1 + 1e-9):
            break
        spec = bag.pop()
        begin, heal = round(now * _NS), round((now + hold) * _NS)
        entries.append(Entry(begin, spec.name, INJECT, spec.target, latest_ns=heal))
        entries.append(Entry(heal, spec.name, HEAL, spec.target, hold_ns=round(hold / 2 * _NS)))
        gap = interval * (first_round.pop() if first_round else rng.uniform(1 - _SPREAD, 1 + _SPREAD))
        now += hold + gap
    return entries


def repeated(history: History) -> tuple[Entry, ...]:
    """Return the same faults at the same times with the same plans as an earlier run recorded them."""
    entries = []
    for operation in history.nemesis():
        asked = decoded(operation.invoke.value)
        if asked is None:
            continue
        done = decoded(operation.completion.value) if operation.completion is not None else None
        plan = done.plan if done is not None else None
        entries.append(
            Entry(operation.invoke.time, operation.invoke.f, asked.action, asked.target, plan=plan)
        )
    return tuple(entries)
