"""Executes a campaign: slots, retries of infrastructure (never of anomalies), budgets, early ends, resume."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from quorate.harness.campaign import expecting
from quorate.harness.campaign.cell import Record, Status, record_of
from quorate.harness.campaign.file import Campaign
from quorate.harness.campaign.jobs import Job, jobs
from quorate.harness.campaign.ledger import Ledger
from quorate.harness.campaign.process import Finished, run_process
from quorate.harness.core import store
from quorate.harness.core.exits import VERDICT_OF, Exit
from quorate.harness.core.outcome import Broken
from quorate.harness.core.results import Printed, Results
from quorate.harness.core.verdict import Verdict
from quorate.reports.rates import is_clear


class Options(msgspec.Struct, frozen=True):
    """How to execute: `until_failure` repeats until a verdict differs from the expected one."""

    jobs: int = 1
    retries: int = 2
    fail_fast: bool = False
    until_failure: bool = False
    budget_s: float | None = None
    early_end: bool = True


class Executor(Protocol):
    """Where jobs run: `slots` at once, each job in a separate process."""

    @property
    def slots(self) -> int:
        """How many jobs may run at once."""
        ...

    async def run(self, job: Job, slot: int) -> Finished:
        """Run one job to its end."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...


class Local(msgspec.Struct, frozen=True):
    """On this machine, with one cluster slot for each job at a time."""

    slots: int
    store: str

    async def run(self, job: Job, slot: int) -> Finished:
        """Run one job in a separate process."""
        return await run_process(job, self.store, slot)

    async def close(self) -> None:
        """Nothing is held."""


Listener = Callable[[Record | None, Sequence[Job]], None]


class Execution:
    """One campaign being executed. `listener` hears every record and which jobs are running."""

    def __init__(
        self, campaign: Campaign, options: Options, executor: Executor, ledger: Ledger, listener: Listener
    ) -> None:
        self._campaign = campaign
        self._options = options
        self._executor = executor
        self._ledger = ledger
        self._listener = listener
        self._running: list[Job] = []
        self._stop = False
        self._hits: collections.Counter[str] = collections.Counter()
        self._tries: collections.Counter[str] = collections.Counter()
        for record in ledger.records:
            self._count(record)

    async def run(self) -> list[Record]:
        """Run what is not finished yet; return all records, those of an earlier start included."""
        queue = collections.deque(self._pending())
        try:
            async with asyncio.TaskGroup() as group:
                for slot in range(self._executor.slots):
                    group.create_task(self._worker(slot, queue))
        except BaseExceptionGroup as errors:
            # A full disk is reported in one line, as everywhere, not as a group of errors.
            broken = errors.subgroup(Broken)
            raise (broken or errors).exceptions[0] from None
        finally:
            await self._executor.close()
        return self._ledger.records

    def _pending(self) -> list[Job]:
        finished = self._ledger.finished()
        pending = []
        for job in jobs(self._campaign.cells, self._campaign.seed):
            todo = job
            while self._options.until_failure and todo.key in finished:
                todo = todo.again()
            if todo.key not in finished:
                pending.append(todo)
        limit = self._campaign.budget_runs
        return pending if limit is None else pending[: max(0, limit - len(finished))]

    async def _worker(self, slot: int, queue: collections.deque[Job]) -> None:
        loop = asyncio.get_running_loop()
        budget_s = self._options.budget_s or self._campaign.budget_s
        end_s = None if budget_s is None else loop.time() + budget_s
        while queue and not self._stop and (end_s is None or loop.time() < end_s):
            job = queue.popleft()
            if self._clear(job):
                continue
            self._running.append(job)
            self._listener(None, self._running)
            try:
                record = await self._one(job, slot)
            finally:
                self._running.remove(job)
            self._ledger.add(record)
            self._count(record)
            self._listener(record, self._running)
            if not record.as_expected and (self._options.fail_fast or self._options.until_failure):
                self._stop = True
            if self._options.until_failure and record.as_expected:
                queue.append(job.again())

    async def _one(self, job: Job, slot: int) -> Record:
        """Run a job, again where the infrastructure failed: what was found is never retried away.

        An anomaly is a finding, and so is a server that ended by itself, though no guarantee reports it.
        """
        attempt, total_s = 0, 0.0
        while True:
            attempt += 1
            finished = await self._executor.run(job, slot)
            total_s += finished.time_s
            died = finished.results is not None and finished.results.deaths
            settled = died or finished.exit_code in {*VERDICT_OF, Exit.USAGE}
            if settled or attempt > self._options.retries:
                return to_record(job, finished, attempt, total_s)

    def _count(self, record: Record) -> None:
        if record.status == "done":
            self._tries[record.cell] += 1
            self._hits[record.cell] += record.verdict == "invalid"

    def _clear(self, job: Job) -> bool:
        """Whether this cell's rate is known well enough that more repeats would only cost time."""
        key = job.cell.key
        return (
            self._options.early_end
            and not self._options.until_failure
            and is_clear(self._hits[key], self._tries[key])
        )


def to_record(job: Job, finished: Finished, attempts: int, time_s: float) -> Record:
    """Turn the end of a process into a record."""
    results = finished.results or Printed()
    verdict = VERDICT_OF.get(finished.exit_code)
    status: Status = "done" if verdict is not None and finished.results is not None else "error"
    test = msgspec.structs.replace(job.cell.test, seed=job.seed)
    cell = msgspec.structs.replace(job.cell, expect=expecting.settled(job.cell.expect, results))
    return record_of(
        cell,
        job.turn,
        job.seed,
        key=job.cell.key,
        status=status,
        verdict="error" if verdict is None else verdict.value,
        exit_code=finished.exit_code,
        sentence=_sentence(results) or finished.complaint or "it ended without a word",
        command=test.command(),
        run=results.run,
        release=(results.release or test.release or "").partition(" (")[0],
        time_s=round(time_s, 2),
        attempts=attempts,
    )


def _sentence(results: Results) -> str:
    """The anomaly's own sentence, else the reason of the verdict."""
    anomalies = (anomaly for result in results.guarantees for anomaly in result.anomalies)
    first = next(anomalies, None)
    return results.reason if first is None else first.sentence


def never_run(campaign: Campaign, records: Sequence[Record]) -> list[Record]:
    """Make a record for each cell that no run was made of (budget, interruption, early stop): it proved nothing."""
    begun = {record.cell for record in records}
    first = {job.cell.key: job for job in reversed(jobs(campaign.cells, campaign.seed))}
    found = []
    for cell in campaign.cells:
        if cell.key in begun:
            continue
        seed = first[cell.key].seed
        found.append(
            record_of(
                cell,
                0,
                seed,
                status="skipped",
                verdict=Verdict.UNKNOWN.value,
                exit_code=Exit.UNKNOWN,
                sentence="this cell did not run: the campaign ended first",
                command=msgspec.structs.replace(cell.test, seed=seed).command(),
                run="",
                release=cell.test.release or "",
                time_s=0.0,
                attempts=0,
            )
        )
    return found


def write_summary(folder: Path, campaign: Campaign, records: Sequence[Record]) -> None:
    """Renew `campaign.json` in the campaign's folder: what reports read."""
    content = {
        "name": campaign.name,
        "seed": campaign.seed,
        "time_s": round(sum(record.time_s for record in records), 1),
        "planned": sum(cell.repeat for cell in campaign.cells),
        "cells": [msgspec.to_builtins(record) for record in records],
    }
    store.write_json(folder, "campaign.json", content)
