"""One entry of a campaign's matrix, and what became of it."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from quorate.harness.core.test import Test

Status = Literal["done", "error", "skipped"]


class Cell(msgspec.Struct, frozen=True):
    """A test with what is expected of it (`expecting`). `seed` None means one is drawn from the campaign's seed.

    `repeat` runs with seeds that follow each other make one rate. `link` names the issue of a known bug. `shown` are
    the options that distinguish this cell from others of its file.
    """

    test: Test
    expect: str = "valid"
    link: str | None = None
    repeat: int = 1
    weight: float = 1.0
    line: int = 0
    shown: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What people call it: system, workload, faults, where, settings, and what else distinguishes it."""
        test = self.test
        words = [test.system, "+".join(test.workload), ",".join(test.faults) or test.schedule or "none"]
        where = "in-process" if test.virtual else test.cluster
        words.append(f"{where}x{test.nodes}")
        words += [f"{key}={getattr(test, key)}" for key in self.shown]
        words += [f"{key}={value}" for key, value in sorted(test.settings.items())]
        return " ".join(words)

    @property
    def key(self) -> str:
        """Stable identity: the same options have the same key, whatever the file's order; the store does not count."""
        plain = msgspec.structs.replace(self.test, store="store", keep_cluster=False)
        content = msgspec.json.encode([plain, self.expect], order="deterministic")
        return hashlib.sha256(content).hexdigest()[:16]


class Record(msgspec.Struct, frozen=True):
    """One finished run of a cell, as `cells.jsonl` keeps it: enough for tables, reports and resume."""

    cell: str
    name: str
    system: str
    release: str
    workload: str
    faults: str
    seed: int
    turn: int
    status: Status
    verdict: str
    expect: str
    exit_code: int
    sentence: str
    command: str
    run: str
    time_s: float
    attempts: int
    link: str | None = None

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the one the file asks for."""
        return self.status == "done" and self.expect in {"any", self.verdict}


def record_of(cell: Cell, turn: int, seed: int, *, key: str | None = None, **found: Any) -> Record:
    """Make a record, of a cell with another key where one is given.

    `found` has status, verdict, exit_code, sentence, command, run, time_s, attempts, release.
    """
    test = cell.test
    return Record(
        cell=key or cell.key,
        name=cell.name,
        system=test.system_name,
        workload="+".join(test.workload),
        faults=",".join(test.faults) or "none",
        seed=seed,
        turn=turn,
        expect=cell.expect,
        link=cell.link,
        **found,
    )
