"""Trials of the simulated system: outcomes, deadlines, and processes that end with whoever started them."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from quorate.harness.core.test import Test, UsageError
from quorate.harness.experiments.trial import Trials

SHORT = Test(system="simulated", time=2.0, seed=5, check_time=10.0)


def try_all(tmp_path, *tests, slots=1, deadline_s=None):
    async def main():
        async with Trials(tmp_path / "runs", slots=slots) as trials:
            return await asyncio.gather(*(trials.run(test, deadline_s=deadline_s) for test in tests))

    return asyncio.run(main())


def with_bug(bug, **fields):
    return Test(system="simulated", time=4.0, seed=5, settings={"bug": bug}, check_time=10.0, **fields)


def test_an_anomaly_a_valid_run_and_one_that_proves_nothing(tmp_path):
    found, valid, idle = try_all(
        tmp_path, with_bug("lost-write"), SHORT, Test(system="simulated", time=0.01, rate=1.0)
    )
    assert (found.outcome, valid.outcome, idle.outcome) == ("anomaly", "valid", "inconclusive")
    assert "linearizable:stale-read" in {str(one) for one in found.signatures}
    assert valid.signatures == frozenset()
    assert (found.folder / "history.jsonl.zst").exists()
    assert not (found.folder / "report.html").exists()
    found.discard()
    assert not found.folder.exists()


def test_the_same_seed_shows_the_same(tmp_path):
    first, second = try_all(tmp_path, with_bug("lost-write"), with_bug("lost-write"), slots=2)
    assert first.said == second.said
    assert first.signatures == second.signatures


def test_a_test_that_cannot_work_is_wrong_usage(tmp_path):
    with pytest.raises(UsageError, match="bug"):
        try_all(tmp_path, with_bug("no-such-bug"))


def test_a_run_beyond_its_deadline_is_broken_and_the_next_one_works(tmp_path):
    async def main():
        async with Trials(tmp_path / "runs") as trials:
            late = await trials.run(SHORT, deadline_s=0.001)
            return late, await trials.run(SHORT)

    late, after = asyncio.run(main())
    assert (late.outcome, after.outcome) == ("broken", "valid")
    assert "no answer" in late.said


def test_a_cancelled_trial_leaves_no_process(tmp_path):
    async def main():
        async with Trials(tmp_path / "runs") as trials:
            endless = msgspec.structs.replace(SHORT, time=100_000.0)
            task = asyncio.create_task(trials.run(endless))
            await asyncio.sleep(0.5)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            begun = time.monotonic()
            after = await trials.run(SHORT)
            return after.outcome, time.monotonic() - begun

    outcome, took_s = asyncio.run(main())
    assert outcome == "valid"
    assert took_s < 30
