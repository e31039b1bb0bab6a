"""What a watch was shown beside what happened, in words that fit into a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from quorate.harness.core import evidence as core
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
    story = anomaly.detail.watch if isinstance(anomaly.detail, core.Watched) else None
    if story is None or not story.shown:
        return None
    shown = [
        Shown(
            message=row.message,
            at_s=row.at_s,
            revision=row.revision,
            name=_name(row),
            words=_words(row) if _name(row) else "all sent so far",
            bad=row.bad,
        )
        for row in story.shown[:_ITEMS_MAX]
    ]
    happened = [
        Happened(row.revision, _name(row), _words(row), row.missing) for row in story.happened[:_ITEMS_MAX]
    ]
    return Watched(cut(story.who, 120), shown, happened, story.more)


def _name(row: core.Shown | core.Happened) -> str:
    return cut(row.name or "", _NAME_MAX)


def _words(row: core.Shown | core.Happened) -> str:
    if row.value is None:
        return f"{_name(row)} deleted"
    return f"{_name(row)} = {cut(json_text(row.value), _NAME_MAX)}"
