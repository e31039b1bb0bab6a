"""Where along a line of versions an anomaly comes in and goes out: binary search between neighbours that differ.

Besides both ends a version that is known to be bad may be given: that finds a bug which came in and was fixed within
the line, where both ends are good. Versions that cannot be decided are passed over for their neighbours, as git does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import msgspec

from quorate.harness.experiments.decide import Decision
from quorate.harness.experiments.versions import Version

State = Literal["good", "bad"]


class Flip(msgspec.Struct, frozen=True):
    """A change along the line: `before` is the last that was seen as it had been, `after` the first that was not.

    `skipped` are versions between the two that could not be judged.
    """

    kind: Literal["introduced", "fixed"]
    before: str
    after: str
    skipped: tuple[str, ...] = ()

    def words(self) -> str:
        """Write it for people: `fixed: last bad 3.5.15, first good 3.5.16`."""
        first, last = ("bad", "good") if self.kind == "introduced" else ("good", "bad")
        text = f"{self.kind}: last {last} {self.before}, first {first} {self.after}"
        return text + (f" (not known: {', '.join(self.skipped)})" if self.skipped else "")


class Line(msgspec.Struct, frozen=True):
    """What is known of one branch: each version's decision and the changes. `complete` unless time ran out."""

    branch: str
    versions: tuple[str, ...]
    decisions: dict[str, Decision]
    flips: tuple[Flip, ...]
    complete: bool = True

    def state(self, name: str) -> State | None:
        """Return whether a version is good or bad; None where that is unknown."""
        return state_of(self.decisions.get(name))


def state_of(decision: Decision | None) -> State | None:
    """Return good for a "no", bad for a "yes"."""
    match decision.answer if decision is not None else "undecided":
        case "yes":
            return "bad"
        case "no":
            return "good"
        case "undecided":
            return None


async def bisect(
    branch: str,
    versions: Sequence[Version],
    judge: Callable[[Version], Awaitable[Decision | None]],
    known: Mapping[str, Decision] | None = None,
) -> Line:
    """Find every change between versions whose states differ; `judge` returns None when the time is over.

    Asks about both ends, and then about log2 of the versions between each two known neighbours that differ.
    """
    decided: dict[str, Decision] = dict(known or {})
    names = [version.name for version in versions]
    complete = True
    while complete:
        place = _next(names, decided)
        if place is None:
            break
        decision = await judge(versions[place])
        if decision is None:
            complete = False
        else:
            decided[names[place]] = decision
    mine = {name: decided[name] for name in names if name in decided}
    return Line(branch, tuple(names), mine, tuple(_flips(names, mine)), complete)


def _next(names: Sequence[str], decided: Mapping[str, Decision]) -> int | None:
    """Return the place of the next version to ask about; None where all is known that can be."""
    for order in (range(len(names)), range(len(names) - 1, -1, -1)):
        for place in order:
            if names[place] not in decided:
                return place
            if state_of(decided[names[place]]) is not None:
                break  # this end is known
    states = [(place, state_of(decided.get(name))) for place, name in enumerate(names)]
    settled = [(place, state) for place, state in states if state is not None]
    for (low, first), (high, second) in pairwise(settled):
        untried = [place for place in range(low + 1, high) if names[place] not in decided]
        if first != second and untried:
            middle = (low + high) / 2
            return min(untried, key=lambda place: (abs(place - middle), place))
    return None


def _flips(names: Sequence[str], decided: Mapping[str, Decision]) -> list[Flip]:
    settled = [(place, state_of(decided.get(name))) for place, name in enumerate(names)]
    known = [(place, state) for place, state in settled if state is not None]
    return [
        Flip(
            "introduced" if second == "bad" else "fixed",
            names[low],
            names[high],
            tuple(names[low + 1 : high]),
        )
        for (low, first), (high, second) in pairwise(known)
        if first != second
    ]
