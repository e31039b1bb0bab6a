"""docs/reference/formats.md, held against the code: exit codes, events, models, results.json."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from quorate.checkers import MODELS
from quorate.harness.core.evidence import Evidence
from quorate.harness.core.exits import Exit
from quorate.harness.core.test import Test
from quorate.harness.history.event import Event
from quorate.harness.run import run

PAGE = (Path(__file__).parents[3] / "docs/reference/formats.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its two first lines."""
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    table = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def names(heading: str) -> set[str]:
    return {name for row in rows(heading) for name in re.findall(r"`([^`]+)`", row[0])}


def test_exit_codes() -> None:
    assert {int(row[0]) for row in rows("Exit codes")} == {int(code) for code in Exit}


def test_fields_of_an_event() -> None:
    assert names("The exchange format") == {field.name for field in msgspec.structs.fields(Event)}


def test_models() -> None:
    aliases = {"list-append", "rw-register"}
    assert names("Models") - aliases == set(MODELS)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict:
    store = str(tmp_path_factory.mktemp("store"))
    done = run(
        Test(system="simulated", faults=("partition",), time=10.0, fault_interval=2.0, seed=3, store=store)
    )
    return json.loads((done.folder / "results.json").read_text())


def test_keys_of_results(results: dict) -> None:
    assert names("results.json") == set(results)


@pytest.mark.parametrize("part", ["guarantees", "faults", "gates", "leaders"])
def test_keys_of_their_rows(results: dict, part: str) -> None:
    (text,) = (row[1] for row in rows("results.json") if f"`{part}`" in row[0])
    listed = set(re.findall(r"`([^`]+)`", text))
    assert listed
    assert listed <= set(results[part][0])


def test_kinds_of_evidence_and_their_fields() -> None:
    common = {"certificate", "facts"}
    code = {
        kind.__struct_config__.tag: {field.encode_name for field in msgspec.structs.fields(kind)} - common
        for kind in get_args(Evidence)
    }
    page = {row[0].strip("`"): set(re.findall(r"`([^`]+)`", row[1])) for row in rows("Evidence")}
    assert page == code
