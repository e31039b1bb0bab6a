"""A campaign as reports see it: cells with what became of them. A single run is read as a campaign of one cell."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from quorate.harness.core.exits import Exit
from quorate.harness.core.outcome import Broken
from quorate.harness.core.reading import read_object
from quorate.harness.core.store import RESULTS, TEST
from quorate.harness.core.verdict import Verdict
from quorate.reports import stored, words

CAMPAIGN: Final = "campaign.json"
State = Literal["passed", "failed", "error", "inconclusive"]


class Cell(msgspec.Struct, frozen=True):
    """One run of a campaign: the fields of an entry of `cells` in `campaign.json`."""

    name: str = ""
    system: str = ""
    release: str = ""
    workload: str = ""
    faults: str = ""
    seed: int | None = None
    turn: int = 0
    verdict: str = "unknown"
    expect: str = "valid"
    exit_code: int | None = None
    sentence: str = ""
    command: str = ""
    run: str = ""
    time_s: float = 0.0
    attempts: int = 1
    status: str = "done"
    link: str | None = None

    @property
    def state(self) -> State:
        """Passed as expected, failed (an anomaly, or none where one was expected), an error, or inconclusive."""
        if self.status == "error":
            return "error"
        if self.status == "skipped":
            return "inconclusive"
        if self.expect in ("any", self.verdict):
            return "passed"
        return "inconclusive" if self.verdict == Verdict.UNKNOWN else "failed"

    @property
    def server(self) -> str:
        """System and release."""
        if not self.release or "@" in self.system:
            return self.system or "unknown"
        return words.plain(f"{self.system}@{self.release}")

    @property
    def title(self) -> str:
        """What people call it, with the seed that distinguishes repeats."""
        name = self.name or f"{self.server} {self.workload} {self.faults or 'none'}"
        return name if self.seed is None else f"{name} seed {self.seed}"

    @property
    def news(self) -> str:
        """One sentence on what happened."""
        if self.state == "failed" and self.verdict == Verdict.VALID:
            return f"No anomaly was found where one is expected. {self.sentence}".strip()
        if self.sentence:
            return self.sentence
        return {
            "passed": "As expected.",
            "failed": "A guarantee was broken.",
            "error": "The harness or its infrastructure failed.",
            "inconclusive": "Not decided.",
        }[self.state]


class Matrix(msgspec.Struct, frozen=True):
    """A campaign's cells, and a sentence for everything of it that could not be read."""

    folder: Path
    name: str
    cells: Sequence[Cell]
    planned: int
    time_s: float
    single: bool
    problems: Sequence[str]

    def count(self, state: State) -> int:
        """Return how many cells ended so."""
        return sum(1 for cell in self.cells if cell.state == state)

    def link(self, cell: Cell, base: Path | None = None) -> str | None:
        """Return the path from `base` (the campaign's folder) to the run's folder, or None where that is not there."""
        for place in (self.folder / cell.run, Path(cell.run)):
            if cell.run and place.is_dir():
                return Path(os.path.relpath(place.resolve(), (base or self.folder).resolve())).as_posix()
        return None


def read(folder: Path) -> Matrix:
    """Read a campaign's folder, or a run's. Raises `Broken` where it is neither."""
    if (folder / CAMPAIGN).exists():
        return _campaign(folder)
    if (folder / TEST).exists() or (folder / RESULTS).exists():
        return _single(folder)
    raise Broken("report", f"{folder} holds neither a campaign ({CAMPAIGN}) nor a run ({TEST})")


def _campaign(folder: Path) -> Matrix:
    problems: list[str] = []
    content = read_object(folder / CAMPAIGN, problems)
    rows = content.get("cells")
    cells: list[Cell] = []
    for number, row in enumerate(rows if isinstance(rows, list) else []):
        try:
            cells.append(_brief(msgspec.convert(_texts(row), Cell, strict=False)))
        except (msgspec.ValidationError, ValueError, TypeError) as error:
            problems.append(f"cell {number} of {CAMPAIGN} is left out: {error}")
    planned, time_s = content.get("planned"), content.get("time_s")
    return Matrix(
        folder=folder,
        name=str(content.get("name") or folder.name),
        cells=cells,
        planned=planned if isinstance(planned, int) else len(cells),
        time_s=float(time_s) if isinstance(time_s, (int, float)) else sum(cell.time_s for cell in cells),
        single=False,
        problems=problems,
    )


def _brief(cell: Cell) -> Cell:
    return msgspec.structs.replace(cell, sentence=words.brief(cell.sentence))


def _texts(row: Any) -> Any:
    """Lists of names are joined, nulls are left to the defaults."""
    if not isinstance(row, Mapping):
        return row
    joined = {
        key: ",".join(map(str, value)) if isinstance(value, list) else value for key, value in row.items()
    }
    return {key: value for key, value in joined.items() if value is not None}


def _single(folder: Path) -> Matrix:
    run = stored.read(folder, history=False)
    test = run.test
    anomaly = next((item for result in run.results.guarantees for item in result.anomalies), None)
    broken = not run.finished or run.results.exit_code == Exit.BROKEN
    row = {
        "name": run.name,
        "system": str(test.get("system") or ""),
        "release": str(test.get("release") or ""),
        "workload": test.get("workload"),
        "faults": test.get("faults"),
        "seed": test.get("seed"),
        "verdict": str(run.results.verdict),
        "exit_code": run.results.exit_code,
        "sentence": anomaly.sentence if anomaly else run.results.reason,
        "command": test.get("command"),
        "run": ".",
        "time_s": test.get("time_s") or test.get("time") or 0.0,
        "status": "error" if broken else "done",
    }
    try:
        cell = msgspec.convert(_texts(row), Cell, strict=False)
    except (msgspec.ValidationError, ValueError):
        cell = Cell(name=run.name, verdict=str(run.results.verdict), sentence=run.results.reason, run=".")
    return Matrix(folder, run.name, [cell], 1, cell.time_s, single=True, problems=run.problems)


def headline(matrix: Matrix) -> str:
    """Say how the campaign went."""
    failed, error, unsure = matrix.count("failed"), matrix.count("error"), matrix.count("inconclusive")
    passed = matrix.count("passed")
    parts = [f"{passed} as expected"]
    parts += [words.plural(failed, "failure")] if failed else []
    parts += [f"{error} infrastructure " + ("error" if error == 1 else "errors")] if error else []
    parts += [f"{unsure} inconclusive"] if unsure else []
    missing = matrix.planned - len(matrix.cells)
    parts += [f"{missing} not run"] if missing > 0 else []
    return f"{words.plural(len(matrix.cells), 'run')}: {', '.join(parts)}"
