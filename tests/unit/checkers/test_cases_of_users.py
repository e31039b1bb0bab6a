"""Histories as users have them: each file of tests/data/cases with the exit code that `quorate check` owes it.

`expected.tsv` says for each file the arguments, the wanted exit and what it shows. What still fails stands in
`KNOWN_FAILING`: whoever fixes a row removes it there, and a row that passes and is still listed fails.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from quorate.harness.cli.main import main

CASES = Path(__file__).parents[2] / "data" / "cases"
KNOWN_FAILING: frozenset[str] = frozenset()


class Case(NamedTuple):
    file: str
    arguments: tuple[str, ...]
    wanted: int


def table():
    with (CASES / "expected.tsv").open(newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return [Case(row[0], tuple(row[1].split()), int(row[2])) for row in rows]


TABLE = table()


def exit_of(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["quorate", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", TABLE, ids=[case.file for case in TABLE])
def test_a_file_gets_the_exit_code_that_is_right(case, monkeypatch, capsys):
    found = exit_of(monkeypatch, "check", str(CASES / case.file), *case.arguments)
    said = capsys.readouterr()
    if case.file in KNOWN_FAILING:
        assert found != case.wanted, f"{case.file} passes: take it out of KNOWN_FAILING"
        pytest.xfail(f"exit {found}, wanted {case.wanted}")
    assert found == case.wanted, said.out + said.err


def test_what_is_known_to_fail_is_in_the_table():
    assert {case.file for case in TABLE} >= KNOWN_FAILING
