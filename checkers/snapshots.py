"""Lists are snapshots and guards are kept: objects under one revision, as Kubernetes keeps them in etcd.

The service orders all changes by revision and reports it, so nothing needs to be searched: every list, at whatever
revision and in however many pages, must be the state that the changes up to its revision give, and every guarded
change must find the object as it was compared. etcd's robustness tests hold lists against a replay of the members'
write-ahead logs (tests/robustness/validate/operations.go); here the changes are put together from what clients saw.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from quorate.checkers.changes import Change, Known, Reached, is_conflict, what
from quorate.checkers.deletions import Deletions
from quorate.checkers.list_story import story
from quorate.checkers.replays import shown_by
from quorate.checkers.replies import confirmed
from quorate.harness.core.evidence import Listed
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict
from quorate.harness.history import Event, History

_TOLD_MAX: Final = 20


class ListsAreSnapshots:
    """Every list holds exactly what the changes up to its revision left, and every guard was kept.

    Functions: `put` and `delete` with a name as key (completion: [value, revision compared with], the version is the
    change's revision), refused as "conflict" with [value, revision] as they were; `list` (completion: {"at",
    "objects": [[name, value, revision]]}); `watch` and `follow` as `WatchesAreReliable` reads them. Values are unique,
    a revision is one change, and what changes compared with some reply had said. A deletion whose outcome is unknown
    may explain that an object is missing, once, from when it was asked for on. The real-time order of revisions is
    not judged here (see `VersionsNeverRegress`). O(n log n + lists times names).
    """

    name = "lists-are-snapshots"

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; unknown where nothing was listed."""
        del limits
        started, cpu = time.perf_counter(), time.process_time()
        events = list(history.events())
        lists = sum(event.f == "list" and event.type == "ok" for event in events)
        found = _Replay(events).anomalies()
        verdict = Verdict.INVALID if found else Verdict.VALID if lists else Verdict.UNKNOWN
        result = Result(
            guarantee=self.name,
            verdict=verdict,
            engine="replay",
            reason=f"{len(found)} violations" if found else "" if lists else "nothing was listed",
            operations=lists,
            anomalies=found[:_TOLD_MAX],
            time_s=time.perf_counter() - started,
            cpu_s=time.process_time() - cpu,
            stats={"lists": lists, "violations": dict(Counter(each.name for each in found))},
        )
        return confirmed(result, history)


class _Replay:
    """Every reply held against the known changes, and what is missing in it against unknown deletions."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        reached = Reached(events)
        self._known = Known(events, reached)
        self._deletions = Deletions(events, reached)

    def anomalies(self) -> list[Anomaly]:
        found = list(self._known.anomalies)
        for event in self._events:
            if event.f == "list" and event.type == "ok":
                found += self._judge_list(event)
            elif event.f in {"put", "delete"} and event.type == "ok":
                found += self._judge_change(event)
            elif event.f in {"put", "delete"} and is_conflict(event):
                found += self._judge_refusal(event)
        return [*found, *self._deletions.unexplained()]

    def _judge_list(self, event: Event) -> Iterator[Anomaly]:
        """Hold one list against every name that is known; the first difference is reported."""
        at, objects = event.value["at"], event.value["objects"]
        names = [name for name, _, _ in objects]
        who = f"p{event.process}'s list at revision {at}"
        if names != sorted(set(names)):
            yield shown_by(
                "list out of order", f"{who} shows its names out of order or twice: {_around(names)}", event
            )
            return
        shown = {name: revision for name, _, revision in objects}
        for name in sorted(shown.keys() | self._known.revisions.keys()):
            revision = shown.get(name, 0)
            if revision > at:
                text = f"{who} shows {name} as of revision {revision}, which came later"
                yield self._with_story(shown_by("list shows its future", text, event), event, name)
                return
            for anomaly in self._judge_one(event, at, name, revision, who, "list is no snapshot"):
                yield self._with_story(anomaly, event, name)
                return

    def _with_story(self, anomaly: Anomaly, event: Event, name: str) -> Anomaly:
        at, objects = event.value["at"], event.value["objects"]
        shown = story(f"p{event.process}'s list", at, objects, name, self._known)
        return msgspec.structs.replace(anomaly, detail=Listed(story=shown))

    def _judge_refusal(self, event: Event) -> Iterator[Anomaly]:
        """What a refusal returned is a list of one object at the revision of the answer."""
        if event.version is not None:
            who = f"p{event.process}'s refusal at revision {event.version}"
            _, revision = event.value
            yield from self._judge_one(
                event, event.version, event.key, revision, who, "refusal is no snapshot"
            )

    def _judge_one(
        self, event: Event, at: int, name: str, revision: int, who: str, kind: str
    ) -> Iterator[Anomaly]:
        """An object shown as of `revision` (0: as missing) to who looked at revision `at`."""
        known = self._known.latest(name, at)
        if known is None:
            return
        if known.revision == revision:
            if known.value is None:
                text = f"{who} shows {name}, which was deleted at revision {revision}"
                yield shown_by("list shows what was deleted", text, event, known.told)
            return
        seen = f"{name} as of revision {revision}" if revision else f"no {name}"
        text = f"{who} shows {seen}, but {what(known)} at revision {known.revision}"
        if revision:
            yield shown_by(kind, text, event, known.told)
        elif known.value is not None:
            yield from self._must_be_gone(known, at, event, text)

    def _judge_change(self, event: Event) -> Iterator[Anomaly]:
        """A change that was made must have found the object at the revision that it compared with."""
        revision, (_, guard) = event.version, event.value
        if revision is None:
            return
        who = f"p{event.process}'s {event.f} of {event.key} at revision {revision}"
        between = self._known.between(event.key, guard, revision)
        if guard and between is not None:
            text = f"{who} was made for it as of revision {guard}, but {what(between)} at revision {between.revision}"
            yield shown_by("guard not kept", text, event, between.told)
            return
        before = self._known.latest(event.key, revision - 1)
        if not guard and before is not None and before.value is not None:
            text = f"{who} was made because there was none, but {what(before)} at revision {before.revision}"
            yield from self._must_be_gone(before, revision - 1, event, text)

    def _must_be_gone(self, put: Change, at: int, event: Event, text: str) -> Iterator[Anomaly]:
        anomaly = self._deletions.must_explain(put, at, event, text)
        if anomaly is not None:
            yield anomaly


def _around(names: Sequence[str]) -> str:
    """The first two names that are not in order."""
    first, second = next((a, b) for a, b in pairwise(names) if a >= b)
    return f"{second} after {first}"
