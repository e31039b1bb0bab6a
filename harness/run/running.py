"""`run`: one test from options to exit code. What `quorate test` does, for Python."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import platform
import secrets
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from quorate.harness.cluster import new_run_id
from quorate.harness.core import store
from quorate.harness.core.clock import clock_of, run_real, run_virtual
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import Test
from quorate.harness.history import HistoryError, Journal
from quorate.harness.run.conduct import Conducted, Conductor
from quorate.harness.run.judging import BROKEN, judge
from quorate.harness.run.parts import Parts, assemble, check_settings, is_simulated
from quorate.harness.run.progress import Listener, Snapshot
from quorate.nemesis.schedule import parse

log = logging.getLogger("quorate")


class Run(msgspec.Struct, frozen=True):
    """A finished run: its folder and what `results.json` holds."""

    folder: Path
    results: dict[str, Any]

    @property
    def verdict(self) -> str:
        """Return valid, invalid or unknown."""
        return str(self.results["verdict"])

    @property
    def exit_code(self) -> int:
        """Return CONTRACT's exit code."""
        return int(self.results["exit_code"])


def draw_seed() -> int:
    """Return a seed that nobody chose; it is printed and stored."""
    return secrets.randbelow(1 << 31)


def prepare(test: Test) -> None:
    """Find usage errors before anything starts, by making every part once: it touches no host."""
    check_settings(test)
    parse(",".join(test.faults), test.nodes if test.inventory is None else None)
    run_virtual(_parts_only(msgspec.structs.replace(test, seed=test.seed or 0), "unused"))


async def _parts_only(test: Test, run_id: str) -> Parts:
    return assemble(test, run_id, clock_of(asyncio.get_running_loop()))


def run(test: Test, *, progress: Listener | None = None) -> Run:
    """Run one test and return its results; raises `UsageError` for options that cannot work, nothing else.

    A run that breaks (no engine, a server that does not start, a full disk) has exit code 3 and says why in its
    results. The folder is complete in every case, the HTML report included.
    """
    test.validate()
    prepare(test)
    test = msgspec.structs.replace(test, seed=draw_seed() if test.seed is None else test.seed)
    assert test.seed is not None
    listener = progress or (lambda _: None)
    started = datetime.now(UTC)
    folder = store.create(Path(test.store), test.title, test.seed, started)
    with _logging_to(folder / store.LOG):
        run_id = new_run_id()
        listener(Snapshot("run", f"seed {test.seed}, folder {folder}"))
        _write_test(folder, test, started, run_id)
        main = _live(test, folder, run_id, listener)
        parts, conducted = run_virtual(main) if is_simulated(test) else run_real(main)
        results = _judged(test, folder, parts, conducted, listener)
        store.write_json(folder, store.RESULTS, results)
        _write_test(folder, test, started, run_id, conducted)
        _report(folder, listener)
    return Run(folder, results)


async def _live(test: Test, folder: Path, run_id: str, listener: Listener) -> tuple[Parts, Conducted]:
    """Conduct the run on this loop, with Ctrl-C as a wish to end early; a second one abandons the phase."""
    clock = clock_of(asyncio.get_running_loop())
    parts = assemble(test, run_id, clock)
    try:
        with Journal(folder / store.HISTORY) as journal:
            conductor = Conductor(test, parts, folder, journal, clock, listener)
            with _interruptible(conductor):
                return parts, await conductor.run()
    except Broken as error:
        log.error("the journal broke: %s", error)
        return parts, Conducted(run_id=run_id, error=str(error))


@contextlib.contextmanager
def _interruptible(conductor: Conductor) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def interrupt() -> None:
        if conductor.stop.is_set():
            task.cancel()
        conductor.stop.set()

    handled = []
    for signum in (signal.SIGINT, signal.SIGTERM):
        # Not in the main thread (a test runner's worker): then there is no Ctrl-C to catch.
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
            loop.add_signal_handler(signum, interrupt)
            handled.append(signum)
    try:
        yield
    finally:
        for signum in handled:
            loop.remove_signal_handler(signum)


def _judged(
    test: Test, folder: Path, parts: Parts, conducted: Conducted, listener: Listener
) -> dict[str, Any]:
    try:
        return judge(
            test,
            folder,
            parts.workload,
            parts.thresholds,
            parts.faults_asked,
            conducted,
            lambda name: listener(Snapshot("check", name)),
        )
    except (Broken, HistoryError) as error:
        reason = conducted.error or str(error)
        return {"verdict": "unknown", "exit_code": BROKEN, "reason": reason, "guarantees": [], "gates": []}


def judge_again(
    folder: Path, *, check_time: float | None = None, check_memory: int | None = None
) -> dict[str, Any]:
    """Judge a stored run anew with today's checkers, and renew its results; the cluster is not needed."""
    from quorate.harness.run.replaying import read_test  # noqa: PLC0415 - it imports this package's siblings only

    test = read_test(folder)
    test = msgspec.structs.replace(
        test, check_time=check_time or test.check_time, check_memory=check_memory or test.check_memory
    )
    content = store.read_json(folder, store.TEST)
    conducted = msgspec.convert(content.get("conducted", {}), Conducted)
    parts = run_virtual(_parts_only(test, str(content.get("run_id", "again"))))
    results = _judged(test, folder, parts, conducted, lambda _: None)
    store.write_json(folder, store.RESULTS, results)
    return results


def _write_test(
    folder: Path, test: Test, started: datetime, run_id: str, conducted: Conducted | None = None
) -> None:
    content = {
        "name": test.title,
        "system": test.system_name,
        "release": conducted.release if conducted else test.release,
        "workload": list(test.workload),
        "faults": list(test.faults),
        "cluster": test.cluster,
        "nodes": test.nodes,
        "clients": test.clients,
        "rate": test.rate,
        "time_s": test.time,
        "timeout_s": test.timeout,
        "seed": test.seed,
        "settings": test.settings,
        "command": test.command() if test.replay is None else f"quorate replay {test.replay}",
        "options": msgspec.to_builtins(test),
        "started": started.isoformat(),
        "history_started": conducted.history_started if conducted else None,
        "run_id": conducted.run_id if conducted else run_id,
        "versions": {
            "quorate": importlib.metadata.version("quorate"),
            "python": platform.python_version(),
            "kernel": platform.release(),
            "nodes": conducted.versions if conducted else {},
        },
        "argv": sys.argv[1:],
    }
    if conducted is not None:
        content["conducted"] = msgspec.to_builtins(conducted)
    store.write_json(folder, store.TEST, content)


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
