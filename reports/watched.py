"""What a watch was shown beside what happened, read from an anomaly: `detail["watch"]` (see `checkers.watch_story`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from quorate.harness.core.verdict import Anomaly
from quorate.reports.evidence import json_text
from quorate.reports.words import cut

_ITEMS_MAX: Final = 40
_NAME_MAX: Final = 24


class Shown(msgspec.Struct, frozen=True):
    """One thing that the watch was shown; without a name, a progress notification."""

    message: int
    at_s: float
    revision: int
    name: str
    words: str
    bad: bool


class Happened(msgspec.Struct, frozen=True):
    """One change that is known to have happened."""

    revision: int
    name: str
    words: str
    missing: bool


class Watched(msgspec.Struct, frozen=True):
    """The stretch around the bad message; `more`: the watch was shown more than this."""

    who: str
    shown: Sequence[Shown]
    happened: Sequence[Happened]
    more: bool


def watched_of(anomaly: Anomaly) -> Watched | None:
    """Read it; None where there is none, or nothing in it that can be drawn."""
    story = anomaly.detail.get("watch")
    if not isinstance(story, Mapping):
        return None
    shown = [
        Shown(
            message=_whole(row.get("message")),
            at_s=float(at) if isinstance(at := row.get("at_s"), (int, float)) else 0.0,
            revision=_whole(row.get("revision")),
            name=_name(row),
            words=_words(row) if _name(row) else "all sent so far",
            bad=row.get("bad") is True,
        )
        for row in _rows(story, "shown")
    ]
    happened = [
        Happened(_whole(row.get("revision")), _name(row), _words(row), row.get("missing") is True)
        for row in _rows(story, "happened")
    ]
    if not shown:
        return None
    return Watched(cut(str(story.get("who", "the watch")), 120), shown, happened, story.get("more") is True)


def _rows(story: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = story.get(name)
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        return []
    return [row for row in rows if isinstance(row, Mapping)][:_ITEMS_MAX]


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _name(row: Mapping[str, Any]) -> str:
    name = row.get("name")
    return "" if name is None else cut(str(name), _NAME_MAX)


def _words(row: Mapping[str, Any]) -> str:
    value = row.get("value")
    return f"{_name(row)} deleted" if value is None else f"{_name(row)} = {cut(json_text(value), _NAME_MAX)}"
