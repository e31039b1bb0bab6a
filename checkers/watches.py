"""Watches against what happened: ordered, unique, atomic, resumable, reliable, bookmarkable.

The truth is put together from two sources that need no member's word: changes that were acknowledged with their
revision, and the changes that any watch was shown. Each watch is then replayed against it, as etcd's own robustness
tests do (tests/robustness/validate/watch.go), with the same names of guarantees.

See docs/decisions/watches-and-lists.md.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from quorate.checkers.changes import acknowledged
from quorate.checkers.previous import wrong_previous
from quorate.checkers.replays import replayed, shown_by
from quorate.checkers.replies import confirmed
from quorate.checkers.watch_story import with_stories
from quorate.harness.core.evidence import Watched
from quorate.harness.core.verdict import Anomaly, Limits, Result
from quorate.harness.history import Event, History

_ASKED_MIN: Final = 10


class Stream(msgspec.Struct):
    """One watch: where it began, and its messages `[revision, changes]` with the completion that carried each."""

    start: int
    process: int | str
    node: str | None
    messages: list[tuple[int, list[list[Any]], Event]]


Truth = Mapping[int, Mapping[str, Any]]


class WatchesAreReliable:
    """Every watch shows each change from its start on once, in order, and reports its progress truthfully.

    Functions: `change`, `put` and `delete` as `quorate.checkers.changes` reads them; `watch` and `follow` (completion
    `{"from": revision, "messages": […]}`). Consecutive `follow` operations
    of a process continue one watch; one that failed ends it. What a watch had not reached yet when it was last read is
    no loss: delivery is eventual. O(n log n).
    """

    name = "watches-are-reliable"

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; unknown where no watch was shown a change, or progress was asked for and never reported."""
        del limits
        started = time.perf_counter()
        events = list(history.events())
        streams = list(_streams(events))
        truth, conflicts = _truth(events, streams)
        found = conflicts + wrong_previous(events, truth)
        for stream in streams:
            found += _replay(stream, truth)
        shown = sum(len(changes) for stream in streams for _, changes, _ in stream.messages)
        told = sum(not changes for stream in streams for _, changes, _ in stream.messages)
        asked = _asked(events)
        missing = "no watch was shown a change" if not shown else ""
        if asked >= _ASKED_MIN and not told:
            missing = f"{asked} watches asked for progress and received none: use progress_share=0 where there is none"
        stats = {"watches": len(streams), "changes": shown, "progress": told}
        result = replayed(self.name, found, missing, operations=shown, started=started, stats=stats)
        result = with_stories(result, [(_who(stream), stream.messages) for stream in streams], truth)
        return confirmed(result, history)


def _asked(events: list[Event]) -> int:
    """How many watches that answered had asked for progress."""
    calls = {event.index: event.value for event in events if event.f == "watch" and event.type == "invoke"}
    done = (
        event.index_of_invoke
        for event in events
        if event.f == "watch" and event.type == "ok" and event.index_of_invoke is not None
    )
    return sum(bool(value and value[1]) for value in map(calls.get, done))


def _streams(events: list[Event]) -> Iterator[Stream]:
    standing: dict[int | str, Stream] = {}
    for event in events:
        if event.f not in {"watch", "follow"} or event.type == "invoke":
            continue
        if event.type != "ok":
            if event.f == "follow":
                standing.pop(event.process, None)
            continue
        messages = [(revision, changes, event) for revision, changes in event.value["messages"]]
        known = standing.get(event.process) if event.f == "follow" else None
        if known is not None and known.start == event.value["from"]:
            known.messages += messages
            continue
        stream = Stream(event.value["from"], event.process, event.node, messages)
        if event.f == "follow":
            standing[event.process] = stream
        yield stream


def _truth(events: list[Event], streams: list[Stream]) -> tuple[Truth, list[Anomaly]]:
    """Changes by revision; where two sources disagree about one, the later is an anomaly."""
    truth: defaultdict[int, dict[str, Any]] = defaultdict(dict)
    for change in acknowledged(events):
        truth[change.revision][change.name] = change.value
    wrong = []
    for stream in streams:
        for _, changes, event in stream.messages:
            for name, value, revision, *_ in changes:
                known = truth[revision].setdefault(name, value)
                if known != value:
                    text = f"{_who(stream)} was shown {_what(name, value, revision)}, but it was {known}"
                    if known is None:
                        text = f"{_who(stream)} was shown {_what(name, value, revision)}, but that was a deletion"
                    wrong.append(
                        shown_by("watch shows what was not written", text, event, detail=_at(name, revision))
                    )
    return truth, wrong


def _replay(stream: Stream, truth: Truth) -> list[Anomaly]:
    found: list[Anomaly] = []
    seen: dict[int, set[str]] = defaultdict(set)
    # `judged`: up to there everything that happened is known to have been shown.
    last, progress, judged = stream.start - 1, 0, stream.start - 1
    for revision, changes, event in stream.messages:
        if not changes:
            text = f"{_who(stream)} saw that all up to {revision} was sent"
            if revision < progress:
                found.append(shown_by("watch not bookmarkable", f"{text}, after {progress}", event))
            missing = _missing(judged + 1, revision, seen, truth)
            if missing:
                text = f"{text}, but {_list(missing, truth)} was not"
                return [
                    *found,
                    shown_by("watch not bookmarkable", text, event, detail=Watched(missing=missing)),
                ]
            progress, judged = max(progress, revision), max(judged, revision)
            continue
        found += _judge(stream, changes, event, last, progress, seen)
        for name, _, at, *_ in changes:
            seen[at].add(name)
            last = max(last, at)
        # The last revision itself is not yet judged: that its changes come in one message is another guarantee.
        missing = _missing(judged + 1, last - 1, seen, truth)
        if missing:
            # One loss is reported once: whatever such a watch shows afterwards says nothing more.
            text = f"{_who(stream)} was shown revision {last} but never {_list(missing, truth)}"
            name = "watch not resumable" if min(missing) < min(seen) else "watch not reliable"
            return [*found, shown_by(name, text, event, detail=Watched(missing=missing))]
        judged = max(judged, last - 1)
    return found


def _judge(
    stream: Stream,
    changes: list[list[Any]],
    event: Event,
    last: int,
    progress: int,
    seen: Mapping[int, set[str]],
) -> list[Anomaly]:
    """One message by itself, and against what came before it."""
    found, inside = [], -1
    first = changes[0][2]
    for name, _, revision, *_ in changes:
        if revision in seen and name in seen[revision]:
            text = f"{_who(stream)} was shown the change of {name} at revision {revision} twice"
            found.append(shown_by("watch not unique", text, event, detail=_at(name, revision)))
        elif revision < inside or revision < last:
            text = (
                f"{_who(stream)} was shown {name} at revision {revision} after revision {max(inside, last)}"
            )
            found.append(shown_by("watch not ordered", text, event, detail=_at(name, revision)))
        elif revision == last == first:
            text = f"{_who(stream)} was shown the changes of revision {revision} in two messages, {name} in the second"
            found.append(shown_by("watch not atomic", text, event, detail=_at(name, revision)))
        if revision <= progress:
            text = (
                f"{_who(stream)} saw that all up to {progress} was sent, and then shown {name} at revision "
                f"{revision}"
            )
            found.append(shown_by("watch not bookmarkable", text, event, detail=_at(name, revision)))
        inside = max(inside, revision)
    return found[:1]


def _missing(start: int, end: int, seen: Mapping[int, set[str]], truth: Truth) -> dict[int, list[str]]:
    """Changes from `start` to `end` that happened and were not shown."""
    found = {}
    for revision in range(start, end + 1):
        lacking = [name for name in truth.get(revision, ()) if name not in seen.get(revision, ())]
        if lacking:
            found[revision] = lacking
    return found


def _list(missing: Mapping[int, list[str]], truth: Truth) -> str:
    revision = min(missing)
    name = missing[revision][0]
    more = sum(len(names) for names in missing.values()) - 1
    return _what(name, truth[revision][name], revision) + (f" (and {more} more)" if more else "")


def _what(name: str, value: Any, revision: int) -> str:
    """A change in words."""
    what = f"the deletion of {name}" if value is None else f"{name} = {value}"
    return f"{what} at revision {revision}"


def _at(name: str, revision: int) -> Watched:
    """Which change is the bad one."""
    return Watched(at=(revision, name))


def _who(stream: Stream) -> str:
    at = f" at {stream.node}" if stream.node else ""
    return f"the watch of p{stream.process}{at} from revision {stream.start}"
