"""Backups of the simulated system: proved, judged, torn by a bug, cut short, and refused where they prove nothing."""

from __future__ import annotations

from random import Random

import pytest

from quorate import Test
from quorate.harness.core.test import UsageError
from quorate.harness.hunt.space import Evenly, space_of
from quorate.harness.run import prepare
from quorate.testing import simulate

WORKLOADS = ("register", "set", "append", "rw")


def backups(done):
    return next(one for one in done.results.guarantees if one.guarantee == "backups-are-prefixes")


@pytest.mark.parametrize("workload", [*WORKLOADS, "queue"])
def test_a_correct_store_gives_prefixes_whatever_else_happens(workload):
    for seed in range(2):
        done = simulate(
            workload,
            seed=seed,
            faults="backup,kill,partition,pause",
            fault_interval=1.0,
            rate=200,
            settings={"overlap": "yes"},
        )
        assert done.verdict == "valid", done.told
        assert backups(done).stats["compared"] >= 1


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_torn_backup_is_found(workload):
    done = simulate(workload, seed=1, faults="backup", fault_interval=1.0, rate=200, bug="torn-backup")
    assert done.verdict == "invalid", done.told
    assert backups(done).anomalies
    assert all(
        one.verdict == "valid" for one in done.results.guarantees if one.guarantee != "backups-are-prefixes"
    )


def test_the_proof_says_what_was_verified_and_restored():
    done = simulate("register", seed=3, faults="backup", fault_interval=2.0)
    row = done.results.faults[0]
    assert row.outcome == "ok"
    assert "has given a snapshot: " in row.proof.text
    assert "bytes, its digest verified, restored at position " in row.proof.text


def test_what_was_cut_short_is_refused_and_no_anomaly():
    refused = 0
    for seed in range(4):
        done = simulate(
            "register",
            seed=seed,
            faults="backup",
            fault_interval=2.0,
            settings={"backup.then": "kill", "backup.after": "35ms"},
        )
        assert done.verdict != "invalid", done.told
        refused += backups(done).stats["refused"]
        assert all(row.outcome == "ok" for row in done.results.faults)
    assert refused >= 2
    assert done.verdict == "unknown"
    assert "backups-are-prefixes could not be decided: none of" in done.told


def test_a_cut_that_comes_after_the_whole_is_compared():
    done = simulate(
        "register",
        seed=1,
        faults="backup",
        fault_interval=2.0,
        settings={"backup.then": "kill", "backup.after": "1s"},
    )
    assert done.verdict == "valid", done.told
    assert backups(done).stats["compared"] >= 1


@pytest.mark.parametrize("workload", ["lock", "election", "watch"])
def test_a_workload_that_leaves_nothing_to_compare_is_wrong_usage(workload):
    with pytest.raises(UsageError, match="keeps no old states"):
        prepare(Test(system="simulated", faults=("backup",), workload=(workload,)))


def test_without_the_fault_there_is_no_such_guarantee():
    done = simulate("register", seed=1, time=3.0)
    assert "backups-are-prefixes" not in {one.guarantee for one in done.results.guarantees}


def test_a_run_judged_again_says_the_same(tmp_path):
    from quorate import run  # noqa: PLC0415
    from quorate.harness.run.running import judge_again  # noqa: PLC0415

    test = Test(
        system="simulated", faults=("backup",), time=8.0, fault_interval=1.0, seed=1, rate=200.0,
        store=str(tmp_path), settings={"bug": "torn-backup"},
    )  # fmt: skip
    done = run(test, report=False)
    again = judge_again(done.folder)
    assert done.results.verdict == again.verdict == "invalid"
    assert [one.sentence for one in again.guarantees[-1].anomalies] == [
        one.sentence for one in done.results.guarantees[-1].anomalies
    ]


def test_a_hunt_draws_it_with_workloads_that_it_can_judge():
    space = space_of(Test(system="simulated", seed=1), workloads=("lock", "register"), faults=("backup",))
    drawn = [space.draw(Random(seed), Evenly()) for seed in range(40)]
    taking = [one for one in drawn if any(fault.startswith("backup") for fault in one.faults)]
    assert len(taking) >= 5
    assert all("register" in one.workloads for one in taking)
