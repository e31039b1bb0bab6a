"""What a watch was shown beside what happened, around the message that is wrong: evidence that can be drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from quorate.harness.core.evidence import Happened, Shown, Watched, WatchStory
from quorate.harness.core.verdict import Anomaly, Result
from quorate.harness.history import Event

_BEFORE: Final = 8
_AFTER: Final = 2
_HAPPENED_MAX: Final = 14
_NS: Final = 1e9

Message = tuple[int, Sequence[Sequence[Any]], Event]


def with_stories(
    result: Result,
    streams: Iterable[tuple[str, Sequence[Message]]],
    truth: Mapping[int, Mapping[str, Any]],
) -> Result:
    """The result, each anomaly with the story of its watch; `streams` are who watched, and the messages shown.

    `Watched.at` says which change is the bad one, `Watched.missing` what was never shown; where there is neither, the
    last message of the anomaly's events is to blame.
    """
    of = {event.index: stream for stream in streams for _, _, event in stream[1]}
    told = []
    for anomaly in result.anomalies:
        stream = next((of[index] for index in anomaly.events if index in of), None)
        told.append(anomaly if stream is None else _told(anomaly, *stream, truth))
    return msgspec.structs.replace(result, anomalies=told)


def _told(
    anomaly: Anomaly, who: str, messages: Sequence[Message], truth: Mapping[int, Mapping[str, Any]]
) -> Anomaly:
    events, shown = zip(*_shown(messages), strict=True)
    detail = anomaly.detail if isinstance(anomaly.detail, Watched) else Watched()
    blamed = [number for number, event in enumerate(events) if event in anomaly.events]
    if not blamed:
        return anomaly
    bad = blamed[-1]
    if detail.at is not None:
        bad = next((number for number in reversed(blamed) if _is(shown[number], detail.at)), bad)
    elif detail.missing:
        bad = _reaching(shown, blamed, min(detail.missing))
    window = shown[max(0, bad - _BEFORE) : bad + _AFTER + 1]
    story = WatchStory(
        who=who,
        shown=[msgspec.structs.replace(item, bad=item is shown[bad]) for item in window],
        happened=_happened(window, shown[bad].revision, detail.missing, truth),
        more=len(window) < len(shown),
    )
    return msgspec.structs.replace(anomaly, detail=msgspec.structs.replace(detail, watch=story))


def _shown(messages: Sequence[Message]) -> Iterator[tuple[int, Shown]]:
    """All that the watch was shown, one item a change or progress notification, with the events' indexes."""
    for number, (revision, changes, event) in enumerate(messages):
        at_s = event.time / _NS
        if not changes:
            yield event.index, Shown(number, at_s, revision)
        for name, value, at, *_ in changes:
            yield event.index, Shown(number, at_s, at, name, value)


def _is(item: Shown, at: tuple[int, str]) -> bool:
    return (item.revision, item.name) == at


def _reaching(shown: Sequence[Shown], blamed: Sequence[int], first: int) -> int:
    """The first thing shown that proves that something had been left out: it is past `first`, which is missing."""
    past = (number for number in blamed if shown[number].revision > first)
    same = (number for number in blamed if shown[number].name is None and shown[number].revision >= first)
    return min([*past, *same], default=blamed[-1])


def _happened(
    window: Sequence[Shown],
    bad: int,
    missing: Mapping[int, Sequence[str]],
    truth: Mapping[int, Mapping[str, Any]],
) -> list[Happened]:
    """What is known to have happened in the stretch of revisions of the window; those that matter if too many."""
    lacking = {(revision, name) for revision, names in missing.items() for name in names}
    speak = [item.revision for item in window if item.name is not None] + [bad]
    first, last = min([*speak, *(revision for revision, _ in lacking)]), max(speak)
    known = [
        (revision, name, value)
        for revision in sorted(revision for revision in truth if first <= revision <= last)
        for name, value in truth[revision].items()
    ]
    drawn = {(item.revision, item.name) for item in window}
    # First what is missing or was shown, then what is nearest to the bad one.
    known.sort(key=lambda one: (one[:2] not in lacking, one[:2] not in drawn, abs(one[0] - bad)))
    return [
        Happened(revision, name, value, missing=(revision, name) in lacking)
        for revision, name, value in sorted(known[:_HAPPENED_MAX], key=lambda one: one[0])
    ]
