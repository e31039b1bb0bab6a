"""Seeded bugs of the simulated system shrink to at most two faults and ten operations, exactly and by the seed."""

from __future__ import annotations

import asyncio

import pytest

from quorate.harness.core.test import Test
from quorate.harness.experiments.bisection import bisect_like
from quorate.harness.experiments.memo import Memo
from quorate.harness.experiments.shrink import ShrinkOptions, shrink_run, wanted_of
from quorate.harness.experiments.trial import Trials
from quorate.harness.experiments.versions import over
from quorate.harness.run import run

# Each workload once. Bugs that need a longer history (leases that must end, pages of a list) are seen in few
# operations, but those that are made beside them are more.
BUGS = [
    ("stale-read", "register", ()),
    ("split-brain", "register", ("partition", "kill")),
    ("double-apply", "counter", ("kill",)),
    ("reorder", "append", ()),
    ("phantom", "set", ()),
    ("duplicate-dequeue", "queue", ()),
    ("lock-held-twice", "lock", ()),
    ("early-progress", "watch", ()),
    ("number-twice", "ids", ()),
]


def found(tmp_path, bug, workload, faults):
    for seed in range(1, 8):
        test = Test(
            system="simulated",
            workload=(workload,),
            faults=faults,
            fault_interval=1.0,
            time=12.0,
            seed=seed,
            settings={"bug": bug},
            store=str(tmp_path / "store"),
        )
        done = run(test, report=False)
        if done.verdict == "invalid":
            return done.folder
    raise AssertionError(f"no seed shows {bug}")


@pytest.mark.parametrize(("bug", "workload", "faults"), BUGS)
def test_a_seeded_bug_becomes_small(tmp_path, bug, workload, faults):
    folder = found(tmp_path, bug, workload, faults)
    out = asyncio.run(shrink_run(folder, tmp_path / "shrink", ShrinkOptions(confirm=1)))
    assert len(out.summary.after.faults) <= 2
    assert out.operations <= 10
    assert 1 <= out.shown <= 10
    assert out.summary.rate.hits == 1  # the seed that was kept shows it each time
    assert "simulated" in out.summary.reproducer.why


def test_the_same_run_becomes_the_same(tmp_path):
    folder = found(tmp_path, "lock-held-twice", "lock", ())
    first, second = (
        asyncio.run(shrink_run(folder, tmp_path / name, ShrinkOptions(confirm=1))).summary.after
        for name in "ab"
    )
    assert first == second


def test_a_bug_is_bisected_to_the_version_that_brought_it(tmp_path):
    folder = found(tmp_path, "lost-write", "register", ())

    async def bisect():
        async with Trials(tmp_path / "runs") as trials:
            return await bisect_like(
                folder,
                over("simulated", "bug=none,none,lost-write,lost-write,none"),
                trials,
                Memo(tmp_path),
                tmp_path,
                sorted(wanted_of(folder, [])),
            )

    (branch,) = asyncio.run(bisect()).branches
    assert branch.words == (
        "introduced: last good 2:none, first bad 3:lost-write; fixed: last bad 4:lost-write, first good 5:none"
    )
