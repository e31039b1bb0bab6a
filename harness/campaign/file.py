"""Campaign files: TOML, validated as a whole before anything starts, every error with its line.

name = "smoke"
[defaults]                      # any option of `quorate test`, with _ for -
time = "10s"
[matrix]                        # lists are multiplied
system = ["etcd", "consul"]
faults = ["none", "partition,kill"]
seed = [1, 2]
[[exclude]]                     # drop the cells that match all keys
system = "consul"
faults = "none"
[[include]]                     # add a cell of its own, e.g. a known bug
system = "etcd@3.5.1"
expect = "invalid"
link = "https://…"
[budget]
time = "1h"
runs = 100
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from harness.campaign.cell import Cell
from harness.campaign.location import line_of
from harness.campaign.values import CELL_KEYS, TEST_KEYS, convert
from harness.duration import parse_duration
from harness.registry import UnknownNameError, did_you_mean
from harness.test import Test, UsageError

_TOP: Final = ("name", "seed", "defaults", "matrix", "include", "exclude", "budget")
_BUDGET: Final = ("time", "runs")
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
                found[key] = convert(key, value)
            except ValueError as error:
                self.complain(f"{key}: {error}", name, key, occurrence)
        return found


def load(path: Path, overrides: Mapping[str, Any] | None = None) -> Campaign:
    """Read and validate; `overrides` are options of the command line, which win.

    Raise `CampaignError` with every error of the file, a line each.
    """
    try:
        text = path.read_text()
        content = tomllib.loads(text)
    except OSError as error:
        raise CampaignError(f"{path}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise CampaignError(f"{path}: {error}") from error
    reader = _Reader(path, text)
    reader.known(content, _TOP, None)
    for table in ("defaults", "matrix", "budget"):
        if not isinstance(content.get(table, {}), dict):
            reader.complain(f'"{table}" must be a table: [{table}]', None, table)
            content[table] = {}
    allowed = (*TEST_KEYS, *CELL_KEYS)
    reader.known(content.get("defaults", {}), allowed, "defaults")
    reader.known(content.get("matrix", {}), allowed, "matrix")
    reader.known(content.get("budget", {}), _BUDGET, "budget")
    cells = list(_cells(reader, content, dict(overrides or {})))
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
        fields = {**defaults, **combination}
        if any(all(fields.get(key) == value for key, value in rule.items()) for rule in excludes if rule):
            continue
        yield from _cell(reader, {**fields, **overrides}, "matrix", 0)
    for number, table in enumerate(content.get("include", [])):
        reader.known(table, (*TEST_KEYS, *CELL_KEYS), "include", number)
        fields = {**defaults, **reader.values(table, "include", number), **overrides}
        yield from _cell(reader, fields, "include", number)


def _product(reader: _Reader, matrix: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    axes = []
    size = 1
    for key, listed in matrix.items():
        if key not in TEST_KEYS and key not in CELL_KEYS:
            continue
        options = listed if isinstance(listed, list) else [listed]
        if not options:
            reader.complain(f"{key}: an empty list leaves no cell", "matrix", key)
        converted = [reader.values({key: option}, "matrix").get(key) for option in options]
        axes.append([(key, value) for value in converted])
        size *= max(1, len(options))
    if size > _CELLS_MAX:
        reader.complain(f"the matrix has {size} cells, at most {_CELLS_MAX} are run", "matrix")
        return
    if axes:
        for combination in itertools.product(*axes):
            yield dict(combination)


def _cell(reader: _Reader, fields: dict[str, Any], table: str, occurrence: int) -> Iterator[Cell]:
    line = line_of(reader.text, table, None, occurrence)
    about_cell = {key: fields[key] for key in CELL_KEYS if key in fields}
    try:
        test = Test(**{key: value for key, value in fields.items() if key in TEST_KEYS})
        test.validate()
        yield Cell(test=test, line=line, **about_cell)
    except (UsageError, UnknownNameError, TypeError) as error:
        key = next((key for key in fields if key in str(error)), None)
        reader.complain(str(error), table, key, occurrence)
