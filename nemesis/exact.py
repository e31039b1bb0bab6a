"""Exact schedules: a TOML file that says which fault happens when.

    [[fault]]
    at = "5s"
    for = "3s"
    fault = "partition"
    target = "leader"

`target` may be left out (the fault's default). With `nodes`, and `detail` where the fault needs it, the plan itself is
given as it stands in a run's history, and nothing is left to chance. With `detail` alone the fault chooses the nodes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from quorate.harness.core import safely
from quorate.harness.core.duration import parse_duration
from quorate.harness.core.fault import Plan
from quorate.harness.core.injection import HEAL, INJECT
from quorate.harness.core.registry import UnknownNameError, did_you_mean
from quorate.harness.core.test import UsageError
from quorate.nemesis.specs import FaultSpec, parse
from quorate.nemesis.timetable import Entry, in_order

_KEYS: Final = ("at", "for", "fault", "target", "nodes", "detail")
_NS: Final = 1_000_000_000
_LONGEST_S: Final = 1e9  # beyond the life of any run, and of the clock's integers


def read_schedule(path: Path) -> tuple[list[FaultSpec], tuple[Entry, ...]]:
    """Return the faults and the entries of a schedule file; raise `UsageError` that names what is wrong in it."""
    try:
        content = safely.toml(path)
    except safely.TomlError as error:
        raise UsageError(f"cannot read the schedule {path}: {error}") from error
    rows = content.pop("fault", None)
    if content:
        raise UsageError(
            f'{path}: unknown key "{next(iter(content))}"; a schedule holds [[fault]] tables only'
        )
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{path}: write at least one [[fault]] table")
    specs: list[FaultSpec] = []
    entries: list[Entry] = []
    for number, row in enumerate(rows, 1):
        try:
            spec, pair = _row(row)
        except (UsageError, UnknownNameError) as error:
            raise UsageError(f"{path}, fault {number}: {error}") from error
        specs.append(spec)
        entries += pair
    _check_alternating(path, entries)
    return list(dict.fromkeys(specs)), in_order(entries)


def _row(row: dict[str, Any]) -> tuple[FaultSpec, list[Entry]]:
    for key in row:
        if key not in _KEYS:
            raise UsageError(f'unknown key "{key}"{did_you_mean(key, list(_KEYS))}')
    name, target = row.get("fault"), row.get("target")
    if not isinstance(name, str) or not isinstance(target, str | None):
        raise UsageError('name it: fault = "partition", and perhaps target = "leader"')
    found = parse(name if target is None else f"{name}:{target}")
    if len(found) != 1:
        raise UsageError(f'"{name}" is not one fault')
    (spec,) = found
    at, length = _duration(row, "at"), _duration(row, "for")
    if length <= 0:
        raise UsageError("for must be positive")
    plan = None
    if "nodes" in row or "detail" in row:
        nodes, detail = row.get("nodes", []), row.get("detail", {})
        if (
            not isinstance(nodes, list)
            or not all(isinstance(node, str) for node in nodes)
            or not isinstance(detail, dict)
            or not (nodes or detail)
        ):
            raise UsageError('an exact plan has nodes = ["n1"] and perhaps a table detail')
        plan = Plan(fault=spec.name, target=spec.target, nodes=tuple(nodes), detail=detail)
    return spec, [
        Entry(round(at * _NS), spec.name, INJECT, spec.target, plan=plan),
        Entry(round((at + length) * _NS), spec.name, HEAL, spec.target),
    ]


def _duration(row: dict[str, Any], key: str) -> float:
    value = row.get(key)
    if isinstance(value, str):
        try:
            value = parse_duration(value)
        except ValueError as error:
            raise UsageError(f"{key}: {error}") from error
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f'{key} = "5s" is missing')
    # Compared before it is converted: an integer may be too large for a float.
    if not 0 <= value <= _LONGEST_S:  # nan is not either
        raise UsageError(f'{key} must be a number of seconds from 0, or a text such as "5s"')
    return float(value)


def check_within(path: Path, entries: tuple[Entry, ...], time_s: float) -> None:
    """Raise `UsageError` for a fault that would begin when the load is over: it would do nothing."""
    for entry in entries:
        if entry.action == INJECT and entry.at_ns >= time_s * _NS:
            raise UsageError(
                f"{path}: {entry.fault} at {entry.at_ns / _NS:g} s comes after the load, which ends at "
                f"{time_s:g} s: give a longer --time"
            )


def check_apart(path: Path, entries: tuple[Entry, ...]) -> None:
    """Raise `UsageError` where one fault begins while another is in force."""
    in_force = ""
    for entry in entries:
        if entry.action == HEAL:
            in_force = ""
        elif in_force:
            raise UsageError(
                f"{path}: {entry.fault} at {entry.at_ns / _NS:g} s begins while {in_force} is in force: "
                "move it, or leave out --set overlap=no"
            )
        else:
            in_force = entry.fault


def _check_alternating(path: Path, entries: list[Entry]) -> None:
    """A fault that is in force cannot be injected again: it must have been healed."""
    in_force: dict[str, int] = {}
    for entry in in_order(entries):
        if entry.action == HEAL:
            in_force.pop(entry.fault, None)
        elif entry.fault in in_force:
            since, at = in_force[entry.fault] / _NS, entry.at_ns / _NS
            raise UsageError(f"{path}: {entry.fault} at {at:g} s is still in force since {since:g} s")
        else:
            in_force[entry.fault] = entry.at_ns
