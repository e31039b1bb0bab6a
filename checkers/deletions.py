"""Deletions that were never seen to end, and whether they explain that objects are missing.

A `delete` without an answer may have happened at any revision after it was asked for, or never, and it undoes one put.
So each put that is missing somewhere needs its own deletion, which must fit between what is known: after the last
revision at which the object was seen, by the first one at which it is missing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from quorate.checkers.changes import Change, Reached, is_conflict
from quorate.checkers.replays import shown_by
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event


class Need(msgspec.Struct, frozen=True):
    """The put must be undone by a deletion asked for by `deadline` (ns); `seen` is the reply that lacks the object."""

    put: Change
    deadline: int
    seen: Event
    text: str


class Deletions:
    """What unknown deletions have to explain, and whether they can."""

    def __init__(self, events: Sequence[Event], reached: Reached) -> None:
        self._reached = reached
        self._asked: defaultdict[str, list[int]] = defaultdict(
            list
        )  # by name, the times of unknown deletions
        self._alive: dict[
            int, int
        ] = {}  # up to which revision what was put at a revision was seen to be there
        self._needs: dict[int, Need] = {}
        ended = {event.index_of_invoke for event in events if event.type in {"ok", "fail"}}
        for event in events:
            if event.type == "invoke":
                if event.f == "delete" and event.index not in ended:
                    self._asked[event.key].append(event.time)
            else:
                self._note(event)

    def _note(self, event: Event) -> None:
        """Take note of what a reply shows to be there."""
        if event.f == "list" and event.type == "ok":
            until = event.value["at"]
            seen = [revision for _, _, revision in event.value["objects"]]
        elif event.version is not None and event.type == "ok" and event.f in {"put", "delete"}:
            until, seen = event.version - 1, [event.value[1]]  # it compared right before it changed
        elif event.version is not None and is_conflict(event):
            until, seen = event.version, [event.value[1]]
        else:
            return
        for revision in seen:
            self._alive[revision] = max(until, self._alive.get(revision, 0))

    def must_explain(self, put: Change, at: int, seen: Event, text: str) -> Anomaly | None:
        """Ask for a deletion of what was put, by revision `at`; an anomaly where it was seen to be there after that.

        A deletion by that revision was asked for before any reply showed that the service had reached it.
        """
        if at <= self._alive.get(put.revision, put.revision):
            return shown_by("list is no snapshot", f"{text}, and no deletion fits between", seen, put.told)
        deadline = self._reached.by(at, seen.time)
        known = self._needs.get(put.revision)
        if known is None or deadline < known.deadline:
            self._needs[put.revision] = Need(put, deadline, seen, text)
        return None

    def unexplained(self) -> Iterator[Anomaly]:
        """One anomaly for each name with too few deletions.

        Those that can serve a need are those asked for by its deadline: nested sets, so counting is enough (Hall's
        theorem).
        """
        needs: defaultdict[str, list[Need]] = defaultdict(list)
        for need in self._needs.values():
            needs[need.put.name].append(need)
        for name, wanted in needs.items():
            asked = sorted(self._asked.get(name, ()))
            for number, need in enumerate(sorted(wanted, key=lambda each: each.deadline), 1):
                if bisect_right(asked, need.deadline) < number:
                    yield shown_by("list is no snapshot", need.text, need.seen, need.put.told)
                    break
