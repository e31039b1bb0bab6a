"""A run that might be enough to show an anomaly: a test, and its faults as rows that can be dropped and moved."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.harness.core import reading, record, store
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import Test
from quorate.harness.history import History, HistoryError
from quorate.harness.run.replaying import read_test
from quorate.nemesis.rows import Row, recorded, to_toml

SCHEDULES: Final = "schedules"
SHRUNK: Final = "shrink/candidate.json"


class Candidate(msgspec.Struct, frozen=True):
    """A test without faults, and the rows of its schedule."""

    test: Test
    rows: tuple[Row, ...] = ()

    @property
    def key(self) -> str:
        """Stable identity: what differs in nothing but where it is kept is the same."""
        plain = msgspec.structs.replace(self.test, store="store", schedule=None)
        content = msgspec.json.encode([plain, self.rows], order="deterministic")
        return hashlib.sha256(content).hexdigest()[:16]

    def but(self, **changed: Any) -> Candidate:
        """Return it with other values of its test; faults that then begin after the load are dropped."""
        test = msgspec.structs.replace(self.test, **changed)
        return Candidate(test, tuple(row for row in self.rows if row.at < test.time))

    def with_rows(self, rows: tuple[Row, ...]) -> Candidate:
        """Return it with these faults."""
        return Candidate(self.test, rows)

    def written(self, folder: Path) -> Test:
        """Write the schedule below `folder` and return the test that runs it."""
        if not self.rows:
            return msgspec.structs.replace(self.test, schedule=None)
        path = folder / SCHEDULES / f"{self.key}.toml"
        if not path.exists():
            write(path, to_toml(self.rows))
        return msgspec.structs.replace(self.test, schedule=str(path))

    def words(self) -> str:
        """Write its size in one line."""
        test = self.test
        rate = f"{test.rate:g} operations/s" if test.rate else "as fast as possible"
        kept = ", ".join(f"{key}={value}" for key, value in sorted(test.settings.items()))
        faults = f"{len(self.rows)} fault" + ("" if len(self.rows) == 1 else "s")
        return (
            f"{faults}, {test.time:g} s, {rate}, {test.clients} clients, {test.nodes} nodes, "
            f"{'+'.join(test.workload)}" + (f", {kept}" if kept else "")
        )


def of_run(folder: Path) -> Candidate:
    """Return what a stored run did, its faults exactly as they were; raise `Broken` where that was not recorded."""
    test = read_test(folder)
    results = reading.results(folder)
    conducted = record.read(folder).conducted
    end_s = (conducted.get("main_end_s") if isinstance(conducted, dict) else None) or test.time
    rows: tuple[Row, ...] = ()
    if test.faults or test.schedule or test.replay:
        rows = recorded(History.read(folder), max(end_s, test.time))
    # The release that ran, not "the newest": it must stay the same whenever the run is repeated.
    release = results.release.partition(" (")[0]
    system = test.system if test.release or test.virtual or not release else f"{test.system}@{release}"
    plain = Test()
    kept = msgspec.structs.replace(
        test,
        system=system,
        faults=(),
        schedule=None,
        replay=None,
        name=None,
        fault_interval=plain.fault_interval,
        keep_cluster=False,
    )
    return Candidate(kept, tuple(row for row in rows if row.at < test.time))


def start_of(run: Path) -> Candidate:
    """Return the smallest known way to a run's anomaly: what `quorate shrink` has left of it, else the run itself."""
    path = run / SHRUNK
    if not path.is_file():
        return of_run(run)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Candidate)
    except (OSError, msgspec.DecodeError) as error:
        raise Broken("store", f"{path} cannot be read: {error}") from error


def seen_s(run: Path) -> float | None:
    """Return when the run had shown its anomaly, in seconds from its start; None where no operations show it."""
    path = run / store.COUNTEREXAMPLE
    if not path.is_file():
        return None
    times = [msgspec.json.decode(line).get("time") for line in path.read_bytes().splitlines() if line]
    known = [time for time in times if isinstance(time, int)]
    return max(known) / 1e9 if known else None


def drawn_of(run: Path) -> int:
    """Return how many operations the clients of a run began, its final reads included; 0 where that is not known."""
    try:
        return len(History.read(run).operations())
    except HistoryError:
        return 0


def write(path: Path, text: str) -> Path:
    """Write a small file whole; raise `Broken` where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise Broken("store", f"cannot write {path}: {error}") from error
    return path
