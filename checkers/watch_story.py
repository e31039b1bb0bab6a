"""What a watch was shown beside what happened, around the message that is wrong: evidence that can be drawn.

`Anomaly.detail["watch"]` is `{"who", "shown": […], "happened": […], "more": bool}`. `shown` are the changes in the
order in which the watch was shown them (`{"message", "at_s", "revision", "name", "value", "bad"}`; told progress has
no name), `happened` the changes by revision as they are known (`{"revision", "name", "value", "missing"}`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

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

    `detail["at"]` (revision and name) says which change is the bad one, `detail["missing"]` what was never shown; where
    there is neither, the last message of the anomaly's events is to blame.
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
    shown = list(_shown(messages))
    at, missing = anomaly.detail.get("at"), anomaly.detail.get("missing", {})
    blamed = [number for number, item in enumerate(shown) if item["event"] in anomaly.events]
    if not blamed:
        return anomaly
    bad = blamed[-1]
    if at is not None:
        bad = next((number for number in reversed(blamed) if _is(shown[number], at)), bad)
    elif missing:
        bad = _reaching(shown, blamed, missing)
    window = shown[max(0, bad - _BEFORE) : bad + _AFTER + 1]
    story = {
        "who": who,
        "shown": [
            {key: value for key, value in item.items() if key != "event"} | {"bad": item is shown[bad]}
            for item in window
        ],
        "happened": _happened(window, shown[bad]["revision"], missing, truth),
        "more": len(window) < len(shown),
    }
    return msgspec.structs.replace(anomaly, detail={**anomaly.detail, "watch": story})


def _shown(messages: Sequence[Message]) -> Iterator[dict[str, Any]]:
    """All that the watch was shown, one item a change or progress told."""
    for number, (revision, changes, event) in enumerate(messages):
        common = {"message": number, "at_s": event.time / _NS, "event": event.index}
        if not changes:
            yield {**common, "revision": revision, "name": None, "value": None}
        for name, value, at, *_ in changes:
            yield {**common, "revision": at, "name": name, "value": value}


def _is(item: Mapping[str, Any], at: Sequence[Any]) -> bool:
    return [item["revision"], item["name"]] == list(at)


def _reaching(shown: Sequence[Mapping[str, Any]], blamed: Sequence[int], missing: Mapping[str, Any]) -> int:
    """The first thing shown that proves that something had been left out: it is past the first that is missing."""
    first = min(map(int, missing))
    past = (number for number in blamed if shown[number]["revision"] > first)
    same = (
        number for number in blamed if shown[number]["name"] is None and shown[number]["revision"] >= first
    )
    return min([*past, *same], default=blamed[-1])


def _happened(
    window: Sequence[Mapping[str, Any]],
    bad: int,
    missing: Mapping[str, Sequence[str]],
    truth: Mapping[int, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """What is known to have happened in the stretch of revisions of the window; those that matter if too many."""
    lacking = {(int(revision), name) for revision, names in missing.items() for name in names}
    speak = [item["revision"] for item in window if item["name"] is not None] + [bad]
    first, last = min([*speak, *(revision for revision, _ in lacking)]), max(speak)
    known = [
        (revision, name, value)
        for revision in sorted(revision for revision in truth if first <= revision <= last)
        for name, value in truth[revision].items()
    ]
    drawn = {(item["revision"], item["name"]) for item in window}
    # First what is missing or was shown, then what is nearest to the bad one.
    known.sort(key=lambda one: (one[:2] not in lacking, one[:2] not in drawn, abs(one[0] - bad)))
    return [
        {"revision": revision, "name": name, "value": value, "missing": (revision, name) in lacking}
        for revision, name, value in sorted(known[:_HAPPENED_MAX], key=lambda one: one[0])
    ]
