"""`run`: one test from options to exit code. What `quorate test` does, for Python."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.metadata
import logging
import platform
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from quorate.harness.cluster import new_run_id
from quorate.harness.core import record, store
from quorate.harness.core.clock import clock_of, run_real, run_virtual
from quorate.harness.core.exits import Exit
from quorate.harness.core.outcome import Broken
from quorate.harness.core.results import Printed, Results
from quorate.harness.core.test import Test
from quorate.harness.core.verdict import Verdict
from quorate.harness.history import HistoryError, Journal
from quorate.harness.run import explaining
from quorate.harness.run.conduct import Conductor
from quorate.harness.run.conducted import Conducted
from quorate.harness.run.interruption import Interruption
from quorate.harness.run.judging import judge
from quorate.harness.run.parts import Parts, assemble
from quorate.harness.run.progress import Listener, Snapshot
from quorate.harness.run.requirements import require
from quorate.harness.run.settings import check_settings, faults_of
from quorate.nemesis.schedule import parse

log = logging.getLogger("quorate")


class Run(msgspec.Struct, frozen=True):
    """A finished run: its folder, what `results.json` holds, and (`unwritten`) why it could not be stored."""

    folder: Path
    results: Results
    unwritten: str | None = None

    @property
    def verdict(self) -> str:
        """Return valid, invalid or unknown."""
        return self.results.verdict.value

    @property
    def exit_code(self) -> int:
        """Return the exit code (docs/reference/formats.md)."""
        return Exit.BROKEN if self.results.exit_code is None else self.results.exit_code

    @property
    def printed(self) -> Printed:
        """What `--json` prints of it."""
        more = {} if self.unwritten is None else {"unwritten": self.unwritten}
        return Printed.of(self.results, str(self.folder), **more)


def draw_seed() -> int:
    """Return a drawn seed; it is printed and stored."""
    return secrets.randbelow(1 << 31)


def prepare(test: Test) -> Parts:
    """Find usage errors before anything starts, by making every part once, and return the parts: it touches no host."""
    check_settings(test)
    parse(",".join(faults_of(test)), test.nodes if test.inventory is None else None)
    return run_virtual(_parts_only(msgspec.structs.replace(test, seed=test.seed or 0), "unused"))


async def _parts_only(test: Test, run_id: str) -> Parts:
    return assemble(test, run_id, clock_of(asyncio.get_running_loop()))


def run(test: Test, *, progress: Listener | None = None, report: bool = True, required: bool = False) -> Run:
    """Run one test and return its results; raises `UsageError` for options that cannot work.

    Raises `Broken` with all that this machine lacks for it, before anything is made; `required` says that
    `quorate.harness.run.require` was asked already.
    A run that breaks (no engine, a server that does not start, a full disk) has exit code 3 and says why in its
    results. The folder is complete in every case, the HTML report included; without `report` that is left out, for
    runs of which there are thousands.
    """
    test.validate()
    test = msgspec.structs.replace(test, seed=draw_seed() if test.seed is None else test.seed)
    prepared = prepare(test)  # what is drawn depends on the seed
    if not required:
        require(test, prepared)
    tuning = dict(prepared.tuning)
    assert test.seed is not None
    listener = progress or (lambda _: None)
    started = datetime.now(UTC)
    folder = store.create(Path(test.store), test.titled(faults_of(test)), test.seed, started)
    interruption = Interruption()
    with _logging_to(folder / store.LOG), interruption.handling():
        run_id = new_run_id()
        listener(Snapshot("run", f"seed {test.seed}, folder {folder}"))
        save = functools.partial(_write_test, folder, test, started, run_id, tuning)
        save()

        def reached(conducted: Conducted) -> None:
            save(conducted)
            if conducted.reached == "load":
                store.point_latest(folder)

        main = _live(test, folder, run_id, listener, interruption, reached)
        parts, conducted = run_virtual(main) if test.virtual else run_real(main)
        # Before the judging, which may be killed: what was conducted is then known all the same.
        unwritten = _attempt(save, conducted)
        results = _judged(test, folder, parts, conducted, listener, interruption)
        unwritten = _attempt(store.write_json, folder, store.RESULTS, results.encoded()) or unwritten
        explaining.keep(folder, results)
        if report:
            _report(folder, listener)
    code = results.exit_code
    if interruption.requested and code != Exit.ANOMALY:
        code = Exit.INTERRUPTED
    if unwritten is not None and code != Exit.ANOMALY:
        code = Exit.BROKEN
    return Run(folder, msgspec.structs.replace(results, exit_code=code), unwritten)


def _attempt(write: Callable[..., Any], *arguments: Any) -> str | None:
    """Write; return why it could not be done: a full disk must not keep the verdict from being reported."""
    try:
        write(*arguments)
    except Broken as error:
        log.error("%s", error)
        return f"{error}; free space there, or choose another place with --store"
    return None


async def _live(
    test: Test,
    folder: Path,
    run_id: str,
    listener: Listener,
    interruption: Interruption,
    save: Callable[[Conducted], None],
) -> tuple[Parts, Conducted]:
    """Conduct the run on this loop; signals end it early."""
    clock = clock_of(asyncio.get_running_loop())
    parts = assemble(test, run_id, clock)
    conductor = None
    try:
        with Journal(folder / store.HISTORY) as journal:
            conductor = Conductor(test, parts, folder, journal, clock, listener, save)
            with interruption.passed_to(lambda: conductor.interrupt(give_up=interruption.given_up)):
                return parts, await conductor.run()
    except Broken as error:
        log.error("the journal broke: %s", error)
        done = conductor.done if conductor is not None else Conducted(run_id=run_id)
        done.error = done.error or str(error)
        return parts, done


def _judged(
    test: Test,
    folder: Path,
    parts: Parts,
    conducted: Conducted,
    listener: Listener,
    interruption: Interruption | None = None,
) -> Results:
    try:
        results = judge(
            test,
            folder,
            parts.workload,
            parts.thresholds,
            parts.faults_asked,
            conducted,
            lambda name: listener(Snapshot("check", name)),
            interrupted=lambda: (
                interruption is not None and interruption.requested and not conducted.interrupted
            ),
        )
        return msgspec.structs.replace(results, tuning=parts.tuning)
    except (Broken, HistoryError) as error:
        reason = conducted.error or str(error)
        return Results(Verdict.UNKNOWN, Exit.BROKEN, reason)


def judge_again(
    folder: Path, *, check_time: float | None = None, check_memory: int | None = None, strict: bool = False
) -> Results:
    """Judge a stored run anew with today's checkers, and renew its results; the cluster is not needed.

    With `strict`, what is documented as a weakness counts, whether or not the run said so.
    """
    from quorate.harness.run.replaying import read_test  # noqa: PLC0415 - it imports this package's siblings only

    test = read_test(folder)
    test = msgspec.structs.replace(
        test,
        check_time=check_time or test.check_time,
        check_memory=check_memory or test.check_memory,
        strict=strict or test.strict,
        seed=test.seed or 0,  # nothing is drawn any more
    )
    stored = record.read(folder)
    conducted = _conducted(folder, stored.conducted or {})
    parts = run_virtual(_parts_only(test, stored.run_id))
    results = _judged(test, folder, parts, conducted, lambda _: None)
    store.write_json(folder, store.RESULTS, results.encoded())
    explaining.keep(folder, results)
    return results


def _conducted(folder: Path, stored: Any) -> Conducted:
    if isinstance(stored, dict) and stored and "reached" not in stored:
        stored = {**stored, "reached": "end"}  # of a version that noted it only once the run had ended
    try:
        return msgspec.convert(stored, Conducted)
    except msgspec.ValidationError as error:
        raise Broken("store", f"{folder / store.TEST} is damaged: conducted: {error}") from error


def _write_test(
    folder: Path,
    test: Test,
    started: datetime,
    run_id: str,
    tuning: Mapping[str, str],
    conducted: Conducted | None = None,
) -> None:
    faults = faults_of(test)
    record.RunRecord(
        name=test.titled(faults),
        system=test.system_name,
        release=conducted.release if conducted else test.release,
        workload=test.workload,
        faults=faults,
        cluster=test.cluster,
        nodes=test.nodes,
        clients=test.clients,
        rate=test.rate,
        time_s=test.time,
        timeout_s=test.timeout,
        seed=test.seed,
        settings=test.settings,
        tuning=tuning,
        command=test.command() if test.replay is None else f"quorate replay {test.replay}",
        options=msgspec.to_builtins(test),
        started=started.isoformat(),
        history_started=conducted.history_started if conducted else None,
        run_id=conducted.run_id if conducted else run_id,
        versions=record.Versions(
            quorate=importlib.metadata.version("quorate"),
            python=platform.python_version(),
            kernel=platform.release(),
            nodes=conducted.versions if conducted else {},
        ),
        argv=sys.argv[1:],
        conducted=msgspec.to_builtins(conducted) if conducted else UNSET,
    ).write(folder)


def _report(folder: Path, listener: Listener) -> None:
    """Write the HTML; a report that cannot be made never changes a verdict."""
    from quorate.reports.html import write  # noqa: PLC0415 - templates are loaded only when a run has ended

    listener(Snapshot("report"))
    try:
        write(folder)
    except Exception:
        log.exception("the report could not be written")


@contextlib.contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()
