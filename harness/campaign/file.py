"""Campaign files: TOML, validated as a whole before anything starts, every error with its line.

name = "smoke"
[defaults]                      # any option of `quorate test`, with _ for -; settings are merged key by key
time = "10s"
[matrix]                        # lists are multiplied
system = ["etcd", "consul"]
faults = ["none", "partition,kill"]
seed = [1, 2]
[[exclude]]                     # drop the cells that match all keys
system = "consul"
faults = "none"
[[include]]                     # add a cell, e.g. a known bug
system = "etcd@3.5.1"
expect = "invalid"
link = "https://…"
[budget]
time = "1h"
runs = 100
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.harness.campaign.cell import Cell
from quorate.harness.campaign.location import line_of, place_of
from quorate.harness.campaign.values import CELL_KEYS, TEST_KEYS, convert
from quorate.harness.core import safely
from quorate.harness.core.duration import parse_duration
from quorate.harness.core.outcome import Broken
from quorate.harness.core.registry import UnknownNameError, did_you_mean
from quorate.harness.core.store import unfit
from quorate.harness.core.test import Test, UsageError
from quorate.harness.run import check_releases, prepare

log = logging.getLogger(__name__)

_TOP: Final = ("name", "seed", "defaults", "matrix", "include", "exclude", "budget")
_BUDGET: Final = ("time", "runs")
_FILES: Final = ("schedule", "inventory", "file")
_CELLS_MAX: Final = 100_000


class CampaignError(UsageError):
    """Everything that is wrong with a campaign file, a line each: `file:line: sentence`."""


class Campaign(msgspec.Struct, frozen=True):
    """A validated campaign file."""

    name: str
    cells: tuple[Cell, ...]
    seed: int = 0
    budget_s: float | None = None
    budget_runs: int | None = None


class _Reader:
    """Collects every error of one file before giving up."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.errors: list[str] = []

    def complain(self, sentence: str, table: str | None, key: str | None = None, occurrence: int = 0) -> None:
        line = line_of(self.text, table, key, occurrence)
        self.errors.append(f"{self.path}:{line}: {sentence}")

    def known(
        self, keys: Mapping[str, Any], allowed: tuple[str, ...], table: str | None, occurrence: int = 0
    ) -> None:
        for key in keys:
            if key not in allowed:
                self.complain(
                    f'unknown key "{key}"{did_you_mean(key, list(allowed))}', table, key, occurrence
                )

    def values(self, table: Mapping[str, Any], name: str, occurrence: int = 0) -> dict[str, Any]:
        """Convert the known keys of a table to fields of a test or cell."""
        found = {}
        for key, value in table.items():
            if key not in TEST_KEYS and key not in CELL_KEYS:
                continue
            try:
                found[key] = self._located(key, convert(key, value))
            except ValueError as error:
                self.complain(f"{key}: {error}", name, key, occurrence)
        return found

    def _located(self, key: str, value: Any) -> Any:
        """Files that a campaign names lie beside it, wherever the command is given."""
        return str(self.path.parent / value) if key in _FILES else value


def load(path: Path, overrides: Mapping[str, Any] | None = None) -> Campaign:
    """Read and validate; `overrides` are options of the command line, which win.

    Raise `CampaignError` with every error of the file, a line each.
    """
    try:
        text = safely.toml_text(path)
        content = safely.parsed(text)
    except safely.TomlError as error:
        raise CampaignError(f"{path}: {error}") from error
    reader = _Reader(path, text)
    reader.known(content, _TOP, None)
    _check_head(reader, content)
    for table in ("defaults", "matrix", "budget"):
        if not isinstance(content.get(table, {}), dict):
            reader.complain(f'"{table}" must be a table: [{table}]', None, table)
            content[table] = {}
    for table in ("include", "exclude"):
        rows = content.get(table, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            reader.complain(f'"{table}" must be tables: [[{table}]]', None, table)
            content[table] = []
    allowed = (*TEST_KEYS, *CELL_KEYS)
    reader.known(content.get("defaults", {}), allowed, "defaults")
    reader.known(content.get("matrix", {}), allowed, "matrix")
    reader.known(content.get("budget", {}), _BUDGET, "budget")
    cells = _told_apart(list(_cells(reader, content, dict(overrides or {}))))
    _check_parts(reader, cells)
    if not cells and not reader.errors:
        reader.complain("no cell is left: give [matrix] or [[include]]", None)
    budget_s, budget_runs = _budget(reader, content.get("budget", {}))
    if reader.errors:
        raise CampaignError("\n".join(dict.fromkeys(reader.errors)))
    return Campaign(
        name=str(content.get("name", path.stem)),
        cells=tuple(cells),
        seed=int(content.get("seed", 0)),
        budget_s=budget_s,
        budget_runs=budget_runs,
    )


def _check_head(reader: _Reader, content: dict[str, Any]) -> None:
    """The campaign's name is a folder's, its seed a whole number."""
    name, seed = content.get("name", reader.path.stem), content.get("seed", 0)
    why = unfit(name) if isinstance(name, str) else f"{name!r} must be a text in quotes"
    if why is not None:
        reader.complain(f"name: {why}", None, "name")
    if isinstance(seed, bool) or not isinstance(seed, int):
        reader.complain(f"seed: {seed!r} must be a whole number", None, "seed")
        content["seed"] = 0


def _budget(reader: _Reader, table: Mapping[str, Any]) -> tuple[float | None, int | None]:
    budget_s, runs = None, table.get("runs")
    if "time" in table:
        try:
            budget_s = parse_duration(str(table["time"]))
        except ValueError as error:
            reader.complain(str(error), "budget", "time")
    if runs is not None and (not isinstance(runs, int) or runs < 1):
        reader.complain("runs must be a whole number from 1", "budget", "runs")
        runs = None
    return budget_s, runs


def _cells(reader: _Reader, content: Mapping[str, Any], overrides: dict[str, Any]) -> Iterator[Cell]:
    defaults = reader.values(content.get("defaults", {}), "defaults")
    excludes = [
        reader.values(table, "exclude", number) for number, table in enumerate(content.get("exclude", []))
    ]
    for number, table in enumerate(content.get("exclude", [])):
        reader.known(table, TEST_KEYS, "exclude", number)
    for combination in _product(reader, content.get("matrix", {})):
        fields = _merged(defaults, combination)
        if any(all(fields.get(key) == value for key, value in rule.items()) for rule in excludes if rule):
            continue
        yield from _cell(reader, _merged(fields, overrides), "matrix", 0)
    for number, table in enumerate(content.get("include", [])):
        reader.known(table, (*TEST_KEYS, *CELL_KEYS), "include", number)
        fields = _merged(defaults, reader.values(table, "include", number), overrides)
        yield from _cell(reader, fields, "include", number)


def _merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The later layer wins; `settings` are merged key by key."""
    found: dict[str, Any] = {}
    for layer in layers:
        settings = {**found.get("settings", {}), **layer.get("settings", {})}
        found |= layer
        if settings:
            found["settings"] = settings
    return found


def _product(reader: _Reader, matrix: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    axes = []
    size = 1
    for key, listed in matrix.items():
        if key not in TEST_KEYS and key not in CELL_KEYS:
            continue
        options = listed if isinstance(listed, list) else [listed]
        if not options:
            reader.complain(f"{key}: an empty list leaves no cell", "matrix", key)
        converted = [reader.values({key: option}, "matrix") for option in options]
        axes.append([(key, found[key]) for found in converted if key in found])  # the others were reported
        size *= max(1, len(options))
    if size > _CELLS_MAX:
        reader.complain(f"the matrix has {size} cells, at most {_CELLS_MAX} are run", "matrix")
        return
    if axes:
        for combination in itertools.product(*axes):
            yield dict(combination)


def _cell(reader: _Reader, fields: dict[str, Any], table: str, occurrence: int) -> Iterator[Cell]:
    about_cell = {key: fields[key] for key in CELL_KEYS if key in fields}
    line = line_of(reader.text, table, None, occurrence)
    try:
        test = Test(**{key: value for key, value in fields.items() if key in TEST_KEYS})
        test.validate()
        yield Cell(test=test, line=line, **about_cell)
    except (UsageError, UnknownNameError, TypeError) as error:
        reader.errors.append(f"{reader.path}:{place_of(reader.text, str(error), fields, line)}: {error}")


def _check_parts(reader: _Reader, cells: list[Cell]) -> None:
    """Make the parts of every distinct cell once: unknown settings, targets and releases are said; it touches no host.

    Of a release that is in no list its source is asked.
    """
    seen: dict[bytes, int] = {}
    lines: dict[str, int] = {}
    for cell in cells:
        if cell.key in lines:
            reader.errors.append(
                f"{reader.path}:{cell.line}: {cell.name} is already there (line {lines[cell.key]}): "
                "give it a repeat instead"
            )
            continue
        lines[cell.key] = cell.line
        # Where nodes live and how long it takes changes nothing, and no engine is to be asked.
        where = cell.test.cluster if cell.test.cluster == "ssh" else "docker" if cell.test.image else "local"
        test = msgspec.structs.replace(cell.test, cluster=where, seed=0, store="store", name=None)
        content = msgspec.json.encode(test)
        if content in seen:
            continue
        seen[content] = cell.line
        for look in (prepare, _check_releases):
            try:
                look(test)
            except (UsageError, UnknownNameError) as error:
                line = place_of(reader.text, str(error), msgspec.to_builtins(test), cell.line)
                reader.errors.append(f"{reader.path}:{line}: {error}")
            except Broken as error:
                # What this machine lacks is not a mistake of the file: the cell itself will say so.
                log.info("%s: %s", cell.name, error)


def _check_releases(test: Test) -> None:
    check_releases([test])


def _told_apart(cells: list[Cell]) -> list[Cell]:
    """Let cells of the same name show the options in which they differ."""
    named: dict[str, list[Cell]] = {}
    for cell in cells:
        named.setdefault(cell.name, []).append(cell)
    differing = {
        name: tuple(
            key
            for key in TEST_KEYS
            if key not in ("seed", "store", "name", "settings")
            and len({str(getattr(cell.test, key)) for cell in group}) > 1
        )
        for name, group in named.items()
    }
    return [msgspec.structs.replace(cell, shown=differing[cell.name]) for cell in cells]
