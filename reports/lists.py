"""A wrong list as a table: the row that is wrong beside what happened to that object (see `checkers.list_story`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from quorate.harness.core.verdict import Anomaly
from quorate.reports.evidence import json_text
from quorate.reports.words import cut

_ROWS_MAX: Final = 40
_LENGTH_MAX: Final = 40


class Row(msgspec.Struct, frozen=True):
    """One object in the list; `revision` is empty where it is missing."""

    name: str
    value: str
    revision: str
    bad: bool


class Change(msgspec.Struct, frozen=True):
    """One change of the object: what the list shows, what it should show, or another."""

    revision: str
    value: str
    note: str


class Listed(msgspec.Struct, frozen=True):
    """The list around the wrong row; `more`: so many rows are left out."""

    who: str
    at: str
    name: str
    rows: Sequence[Row]
    changes: Sequence[Change]
    more: int


def listed_of(anomaly: Anomaly) -> Listed | None:
    """Read it from the anomaly; None where there is none, or nothing in it that can be shown."""
    story = anomaly.detail.get("list")
    if not isinstance(story, Mapping):
        return None
    rows = [
        Row(
            _text(row.get("name")),
            _value(row),
            _text(row.get("revision")) or "missing",
            row.get("bad") is True,
        )
        for row in _rows(story, "rows")
    ]
    if not rows:
        return None
    at = story.get("at")
    changes = [_change(row, at if isinstance(at, int) else 0) for row in _rows(story, "changes")]
    more = story.get("more")
    name, who = _text(story.get("name")), _text(story.get("who"))
    return Listed(who, _text(at), name, rows, changes, more if isinstance(more, int) else 0)


def _change(row: Mapping[str, Any], at: int) -> Change:
    notes = ["the list shows this"] if row.get("shown") is True else []
    notes += ["it should show this"] if row.get("due") is True else []
    revision = row.get("revision")
    if isinstance(revision, int) and revision > at:
        notes.append("after the list's revision")
    return Change(_text(revision), "deleted" if row.get("value") is None else _value(row), ", ".join(notes))


def _rows(story: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = story.get(name)
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        return []
    return [row for row in rows if isinstance(row, Mapping)][:_ROWS_MAX]


def _value(row: Mapping[str, Any]) -> str:
    value = row.get("value")
    return "" if value is None else cut(json_text(value), _LENGTH_MAX)


def _text(value: Any) -> str:
    return "" if value is None else cut(str(value), _LENGTH_MAX)
