"""What is certain about the changes of names, from what clients saw: the truth that watch events are held against.

A change is known by its acknowledgement, by a read that showed it, and by an event that carried its version. What is
not known is what became of changes without an answer: those are `open`, and may explain what is left unexplained.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from quorate.checkers.replays import shown_by
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event

UNREAD: Final = object()  # a value that no client saw
_GONE, _SET = "deleted", "set"  # what a change did; `set` is created or changed


class Fact(msgspec.Struct):
    """One change of a name, as the completion `event` shows; of kind None it is a creation or a change."""

    name: str
    kind: str | None
    value: Any
    event: Event
    sure: bool  # by its own acknowledgement

    @property
    def does(self) -> str:
        """Whether it set the name or took it away."""
        return _GONE if self.kind == _GONE else _SET


class Facts:
    """All changes that are known, by version; contradictions between those who reported them are `anomalies`."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.anomalies: list[Anomaly] = []
        self.at: dict[int, Fact] = {}
        self.open: Counter[tuple[str, str]] = Counter()  # (name, what it would do): changes without an answer
        self._maybe: set[tuple[str, Any]] = set()
        self.last_acknowledged = 0
        asked: dict[int, Event] = {}
        for event in events:
            if event.f == "set" and event.type == "invoke":
                asked[event.index] = event
            elif event.f == "set" and event.index_of_invoke in asked:
                self._take(asked.pop(event.index_of_invoke), event)
            elif event.f == "heed" and event.type == "ok":
                self._heard(event)
        for event in asked.values():
            self._take(event, None)
        self._order()

    def _take(self, call: Event, end: Event | None) -> None:
        if end is None or end.type == "info":
            self.open[call.key, _GONE if call.value is None else _SET] += 1
            self._maybe.add((call.key, call.value))
        elif end.type == "ok" and end.version is not None:
            self.last_acknowledged = max(self.last_acknowledged, end.version)
            self._add(end.version, Fact(call.key, end.value, call.value, end, sure=True))

    def _heard(self, event: Event) -> None:
        for item in event.value["items"]:
            if item[0] == "told" and item[3] is not None:
                value = None if item[1] == _GONE else UNREAD
                self._add(item[3], Fact(item[2], item[1], value, event, sure=False))
            elif item[0] == "read" and item[3]:
                value = UNREAD if item[2] is None else item[2]
                self._add(item[3], Fact(item[1], None, value, event, sure=False))

    def _add(self, version: int, fact: Fact) -> None:
        known = self.at.setdefault(version, fact)
        if known is fact:
            return
        both = (known.kind, fact.kind)
        fits = (
            known.name == fact.name and known.does == fact.does and (known.kind == fact.kind or None in both)
        )
        if known.value is not UNREAD and fact.value is not UNREAD:
            fits = fits and known.value == fact.value
        if not fits:
            text = f"{say(known)} at {version:#x} is reported as {say(fact)}"
            self.anomalies.append(shown_by("notice contradicts the change", text, fact.event, known.event))
            return
        known.kind = known.kind or fact.kind
        known.value = fact.value if known.value is UNREAD else known.value
        known.sure = known.sure or fact.sure

    def _order(self) -> None:
        self.versions = sorted(self.at)
        self._of: defaultdict[str, list[int]] = defaultdict(list)
        unasked: Counter[tuple[str, str]] = Counter()
        for version in self.versions:
            fact = self.at[version]
            self._of[fact.name].append(version)
            if fact.sure:
                continue
            unasked[fact.name, fact.does] += 1
            wrote = fact.value is UNREAD or (fact.name, fact.value) in self._maybe
            if not wrote or unasked[fact.name, fact.does] > self.open[fact.name, fact.does]:
                text = f"{say(fact)} at {version:#x} is reported, and no client can have made it"
                self.anomalies.append(shown_by("notice of nothing", text, fact.event))

    def between(self, low: int, high: int) -> list[int]:
        """The versions of known changes above `low`, up to `high`."""
        return self.versions[bisect_right(self.versions, low) : bisect_right(self.versions, high)]

    def first(self, name: str, low: int, high: int) -> int | None:
        """The first known change of a name above `low`, up to `high`."""
        known = self._of.get(name, [])
        at = bisect_right(known, low)
        return known[at] if at < len(known) and known[at] <= high else None

    def latest(self, name: str, high: int) -> int:
        """The last known change of a name up to `high`; 0 where there is none."""
        known = self._of.get(name, [])
        at = bisect_left(known, high + 1)
        return known[at - 1] if at else 0

    def closed(self, name: str) -> bool:
        """Whether every change of the name that can have happened is known by its acknowledgement."""
        return not self.open[name, _GONE] and not self.open[name, _SET]


def say(fact: Fact) -> str:
    """A change in words."""
    if fact.kind == _GONE:
        return f"the deletion of {fact.name}"
    return f"a change of {fact.name}" if fact.value is UNREAD else f"{fact.name} = {fact.value}"
