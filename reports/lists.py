"""A wrong list as a table: the row that is wrong beside what happened to that object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from quorate.harness.core import evidence as core
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
    story = anomaly.detail.story if isinstance(anomaly.detail, core.Listed) else None
    if story is None or not story.rows:
        return None
    rows = [
        Row(cut(row.name, _LENGTH_MAX), _value(row.value), _text(row.revision) or "missing", row.bad)
        for row in story.rows[:_ROWS_MAX]
    ]
    changes = [_change(row, story.at) for row in story.changes[:_ROWS_MAX]]
    name, who = cut(story.name, _LENGTH_MAX), cut(story.who, _LENGTH_MAX)
    return Listed(who, _text(story.at), name, rows, changes, story.more)


def _change(row: core.Change, at: int) -> Change:
    notes = ["the list shows this"] if row.shown else []
    notes += ["it should show this"] if row.due else []
    notes += ["after the list's revision"] if row.revision is not None and row.revision > at else []
    value = "deleted" if row.value is None else _value(row.value)
    return Change(_text(row.revision), value, ", ".join(notes))


def _value(value: core.Value) -> str:
    return "" if value is None else cut(json_text(value), _LENGTH_MAX)


def _text(value: int | None) -> str:
    return "" if value is None else str(value)
