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
from quorate.harness.systems.simulated import bugs as simulated
from tests.rotating import part_of

# A workload that shows each bug, and the faults that it needs.
BUGS = {
    "announcement-lost": ("agents", ()),
    "dirty-read": ("register", ()),
    "double-apply": ("counter", ()),
    "duplicate-dequeue": ("queue", ()),
    "early-progress": ("watch", ()),
    "half-refused": ("revisions", ("partition",)),
    "index-ahead": ("polls", ()),
    "lease-leaked": ("lease", ()),
    "lease-torn": ("lease", ()),
    "lock-held-twice": ("lock", ()),
    "lost-element": ("set", ()),
    "lost-update": ("rw", ()),
    "lost-write": ("register", ()),
    "missed-deletion": ("watch", ()),
    "notice-late": ("notices", ()),
    "notice-lost": ("notices", ()),
    "notice-twice": ("notices", ()),
    "notices-swapped": ("notices", ()),
    "number-twice": ("ids", ()),
    "phantom": ("set", ()),
    "renewals-forgotten": ("lease", ()),
    "renewed-after-end": ("lease", ()),
    "reorder": ("append", ()),
    "session-forgotten": ("register", ("partition", "kill", "pause")),
    "split-brain": ("register", ("partition", "kill")),
    "stale-read": ("register", ()),
    "torn-backup": ("register", ("backup",)),
    "torn-list": ("kubernetes", ()),
    "two-leaders": ("election", ()),
    "unguarded": ("kubernetes", ()),
    "wake-up-lost": ("polls", ()),
    "write-skew": ("append", ()),
    "wrong-previous": ("watch", ()),
}
PARTS = 6
# A list of several pages takes as many puts; final reads, of which these have several for each client, stay.
MOST = {"torn-list": 16, "wake-up-lost": 12, "renewed-after-end": 12, "lease-torn": 12}
MORE = {"session-forgotten": {"reads": "session"}, "lease-torn": {"keys_per_lease": "4"}}
SECONDS = {"lease": 8.0, "revisions": 6.0, "election": 6.0}
RATES = {"lease": 100.0}


def found(tmp_path, bug):
    workload, faults = BUGS[bug]
    more = MORE.get(bug, {})
    for seed in range(1, 13):
        test = Test(
            system="simulated",
            workload=(workload,),
            faults=faults,
            fault_interval=1.0,
            time=SECONDS.get(workload, 12.0 if faults else 3.0),
            rate=RATES.get(workload, 200.0 if faults else 400.0),
            seed=seed,
            settings={"bug": bug, **more},
            store=str(tmp_path / "store"),
        )
        done = run(test, report=False)
        if done.verdict == "invalid":
            return done.folder
    raise AssertionError(f"no seed shows {bug}")


def test_every_bug_is_shrunk():
    assert set(BUGS) == set(simulated.BUGS)


@pytest.mark.parametrize("bug", part_of(sorted(BUGS), PARTS))
def test_a_seeded_bug_becomes_small(tmp_path, bug):
    folder = found(tmp_path, bug)
    out = asyncio.run(shrink_run(folder, tmp_path / "shrink", ShrinkOptions(confirm=1)))
    assert len(out.summary.after.faults) <= 2
    assert out.operations <= MOST.get(bug, 10)
    assert 1 <= out.shown <= 10
    assert out.summary.rate.hits == 1  # the seed that was kept shows it each time
    assert "simulated" in out.summary.reproducer.why


def test_the_same_run_becomes_the_same(tmp_path):
    folder = found(tmp_path, "lock-held-twice")
    first, second = (
        asyncio.run(shrink_run(folder, tmp_path / name, ShrinkOptions(confirm=1))).summary.after
        for name in "ab"
    )
    assert first == second


def test_a_bug_is_bisected_to_the_version_that_brought_it(tmp_path):
    folder = found(tmp_path, "lost-write")

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
