"""What happened at which revision, as far as replies show: the truth that watches and lists are held against.

No member's word stands alone: a change is known by its own acknowledgement, by any watch that showed it, any list that
held it, and any refusal that returned it. Two of them that disagree are an anomaly.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from quorate.checkers.replays import shown_by
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event


class Change(msgspec.Struct, frozen=True, gc=False):
    """At `revision` the name got the value (None: it was deleted); `told` is the completion that says so."""

    revision: int
    name: str
    value: Any
    told: Event


def acknowledged(events: Iterable[Event]) -> Iterator[Change]:
    """Changes that were answered `ok` with their revision.

    `change` has {name: value} in its invocation and the names that changed in its completion; `put` and `delete` have
    the name as key and [value, revision compared with] in their completion.
    """
    asked: dict[int | str, Event] = {}
    for event in events:
        if event.f == "change" and event.type == "invoke":
            asked[event.process] = event
        elif event.type != "ok" or event.version is None:
            continue
        elif event.f == "change":
            for name in event.value:
                yield Change(event.version, name, asked[event.process].value[name], event)
        elif event.f in {"put", "delete"}:
            yield Change(event.version, event.key, event.value[0], event)


def watched(events: Iterable[Event]) -> Iterator[Change]:
    """Changes that a watch was shown (`watch` and `follow`: {"from", "messages": [revision, changes]})."""
    for event in events:
        if event.f in {"watch", "follow"} and event.type == "ok":
            for _, changes in event.value["messages"]:
                for name, value, revision, *_ in changes:
                    yield Change(revision, name, value, event)


def listed(events: Iterable[Event]) -> Iterator[Change]:
    """Changes that a `list` or the refusal of a `put` or `delete` holds: the latest of each object shown."""
    for event in events:
        if event.f == "list" and event.type == "ok":
            for name, value, revision in event.value["objects"]:
                yield Change(revision, name, value, event)
        elif is_conflict(event):
            value, revision = event.value
            if revision:
                yield Change(revision, event.key, value, event)


def is_conflict(event: Event) -> bool:
    """Whether a guarded change was refused because the object had another revision."""
    return event.type == "fail" and event.error is not None and event.error[0] == "conflict"


class Reached:
    """When clients first learned that the service had come to a revision."""

    def __init__(self, events: Iterable[Event]) -> None:
        self._revisions: list[int] = []  # each higher than all before it
        self._times: list[int] = []
        for event in events:
            if event.f == "list" and event.type == "ok":
                self._note(event.value["at"], event.time)
            elif event.f in {"put", "delete"} and (event.type == "ok" or is_conflict(event)):
                self._note(event.version or 0, event.time)

    def _note(self, revision: int, time: int) -> None:
        if not self._revisions or revision > self._revisions[-1]:
            self._revisions.append(revision)
            self._times.append(time)

    def by(self, revision: int, time: int) -> int:
        """The time of the first reply that carried the revision or a later one, if it is before the time given."""
        place = bisect_left(self._revisions, revision)
        return min([time, *self._times[place : place + 1]])


class Known:
    """All changes that replies show, by revision and by name; the contradictions between replies are `anomalies`.

    Values are unique, and a revision is one change.
    """

    def __init__(self, events: Sequence[Event], reached: Reached) -> None:
        self._reached = reached
        self.anomalies: list[Anomaly] = []
        self._at: dict[int, Change] = {}
        self._by_value: dict[Any, Change] = {}
        self._asked: dict[Any, Event] = {}
        self._refused: dict[Any, Event] = {}
        self._note_asked(events)
        for source in (acknowledged, watched, listed):
            for change in source(events):
                self._add(change)
        self.revisions: defaultdict[str, list[int]] = defaultdict(list)
        for revision in sorted(self._at):
            self.revisions[self._at[revision].name].append(revision)

    def latest(self, name: str, revision: int) -> Change | None:
        """The last change of the name that is known up to the revision."""
        known = self.revisions.get(name, [])
        at = bisect_right(known, revision)
        return self._at[known[at - 1]] if at else None

    def between(self, name: str, after: int, before: int) -> Change | None:
        """The first known change of the name with a revision strictly between."""
        known = self.revisions.get(name, [])
        at = bisect_right(known, after)
        return self._at[known[at]] if at < bisect_left(known, before) else None

    def _note_asked(self, events: Sequence[Event]) -> None:
        failed = {event.index_of_invoke: event for event in events if event.type == "fail"}
        for event in events:
            if event.type == "invoke" and event.f == "put":
                self._asked[event.value] = event
                if event.index in failed:
                    self._refused[event.value] = failed[event.index]

    def _add(self, change: Change) -> None:
        """Learn of a change; of each, the first contradiction is reported."""
        who = f"p{change.told.process} saw that {what(change)} at revision {change.revision}"
        known = self._at.setdefault(change.revision, change)
        if (known.name, known.value) != (change.name, change.value):
            text = f"{who}, but p{known.told.process} that {what(known)}"
            self._tell("one revision, two changes", text, change.told, known.told)
        elif change.value is None:
            return
        elif not self._was_asked(change):
            self._tell("made by nobody", f"{who}, but no client had asked for that", change.told)
        elif known is change:
            earlier = self._by_value.setdefault(change.value, change)
            if earlier is not change:
                text = f"{who}, but that was made at revision {earlier.revision}"
                self._tell("made twice", text, change.told, earlier.told)
            elif self._asked[change.value].time > self._reached.by(change.revision, change.told.time):
                text = f"{who}, but a later one had seen before that was asked for"
                self._tell("made in the past", text, change.told, self._asked[change.value])
            elif change.value in self._refused:
                self._tell(
                    "refused and made",
                    f"{who}, but that was refused",
                    change.told,
                    self._refused[change.value],
                )

    def _was_asked(self, change: Change) -> bool:
        asked = self._asked.get(change.value)
        return asked is not None and asked.key == change.name and asked.time <= change.told.time

    def _tell(self, name: str, text: str, *events: Event) -> None:
        self.anomalies.append(shown_by(name, text, *events))


def what(change: Change) -> str:
    """The change in words."""
    return f"{change.name} was deleted" if change.value is None else f"{change.name} became {change.value}"
