"""A schedule file's `[[fault]]` tables as data: taken from what a run recorded, and written for people to edit."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.harness.core.fault import Plan
from quorate.harness.core.injection import INJECT, joined
from quorate.harness.core.outcome import Broken
from quorate.harness.history import History
from quorate.nemesis.exact import read_schedule
from quorate.nemesis.timetable import Entry, repeated

_NS: Final = 1_000_000_000
_DIGITS: Final = 3  # of a second: no fault is more exact
_LEAST_S: Final = 10**-_DIGITS


class Row(msgspec.Struct, frozen=True):
    """One fault: when it begins and how long it stays in force, in seconds; with `plan` its nodes and details too."""

    at: float
    length: float
    fault: str
    target: str
    plan: Plan | None = None

    @property
    def end(self) -> float:
        """When it is healed."""
        return self.at + self.length

    def words(self) -> str:
        """Write it for people: `kill of n2 at 3.5 s for 1.2 s`."""
        where = ", ".join(self.plan.nodes) if self.plan is not None and self.plan.nodes else self.target
        return f"{self.fault} of {where} at {self.at:g} s for {self.length:g} s"


def recorded(history: History, end_s: float) -> tuple[Row, ...]:
    """Return the faults that a run had, with their plans; one that was never healed lasts until `end_s`."""
    return rows_of(repeated(history), end_s)


def read_rows(path: Path) -> tuple[Row, ...]:
    """Return the faults of a schedule file; raise `UsageError` as `read_schedule` does."""
    return rows_of(read_schedule(path)[1], 0.0)


def rows_of(entries: Sequence[Entry], end_s: float) -> tuple[Row, ...]:
    """Join each injection with the healing that follows it."""
    pairs = joined(
        entries,
        fault=lambda entry: entry.fault,
        begins=lambda entry: entry.action == INJECT,
        ends=lambda entry: [entry.fault],  # an injection too: the nemesis heals what it injects again
    )
    rows = [_row(begun, end_s if ended is None else ended.at_ns / _NS) for begun, ended in pairs]
    return tuple(sorted(rows, key=lambda row: row.at))


def _row(entry: Entry, end_s: float) -> Row:
    at = round(entry.at_ns / _NS, _DIGITS)
    # Rounded down, so that it has ended when the next one of its kind begins.
    length = max(_LEAST_S, math.floor((end_s - at) / _LEAST_S + 1e-6) * _LEAST_S)
    return Row(at, round(length, _DIGITS), entry.fault, entry.target, entry.plan)


def to_toml(rows: Sequence[Row]) -> str:
    """Write a schedule that `read_schedule` reads; raise `Broken` for a plan that TOML has no form for."""
    return "\n".join(_table(row) for row in rows)


def _table(row: Row) -> str:
    lines = [
        "[[fault]]",
        f'at = "{row.at:.12g}s"',
        f'for = "{row.length:.12g}s"',
        f"fault = {_value(row.fault)}",
    ]
    lines.append(f"target = {_value(row.target)}")
    if row.plan is not None and (row.plan.nodes or row.plan.detail):
        lines.append(f"nodes = {_value(list(row.plan.nodes))}")
        lines += [f"detail = {_value(row.plan.detail)}"] if row.plan.detail else []
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    match value:
        case str():
            return json.dumps(value, ensure_ascii=True)  # the escapes of JSON are TOML's too
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case Mapping():
            known = {str(key): item for key, item in value.items() if item is not None}
            return "{ " + ", ".join(f"{_value(key)} = {_value(item)}" for key, item in known.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(_value(item) for item in value) + "]"
        case _:
            raise Broken("schedule", f"{value!r} of a fault's plan cannot be written to a schedule")
