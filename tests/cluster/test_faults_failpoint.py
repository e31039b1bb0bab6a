"""Failpoints of a real etcd: passed under load, or triggered; each proved, healed, and the servers well again."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from quorate.harness.core.fault import make
from quorate.harness.core.outcome import Broken

RELEASE = "3.6.5+failpoints"
# One of each trigger: the load itself, a compaction, a defragmentation, a watch, a changed member, a start, a snapshot.
POINTS = [
    ("raftBeforeSave", "panic"),
    ("raftBeforeLeaderSend", "sleep(100ms)"),
    ("compactBeforeCommitBatch", "panic"),
    ("defragBeforeCopy", "panic"),
    ("defragOpenFileError", "any"),
    ("beforeSendWatchResponse", "sleep(100ms)"),
    ("beforeApplyOneConfChange", "panic"),
    ("beforePublishing", "panic"),
    ("raftBeforeApplySnap", "panic"),
]

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(600),
]  # the first use builds the server: a minute or two


def test_points_act_where_they_are_armed_and_nowhere_after(etcd) -> None:
    async def body() -> None:
        settings = {"snapshot_count": "50", "catchup_entries": "50", "compaction_batch": "10"}
        async with etcd(RELEASE, **settings) as scene:
            for point, action in POINTS:
                fault = make(
                    "failpoint",
                    {"failpoint.name": point, "failpoint.action": action, "failpoint.within": "18s"},
                )
                plan = await fault.plan(scene, "any", Random(7))
                assert plan.detail["point"] == point
                await fault.inject(scene, plan)
                proof = await fault.prove(scene, plan)
                assert proof.holds, proof.text
                await fault.heal(scene, plan)
                await fault.heal(scene, plan)
                healed = await fault.prove_healed(scene, plan)
                assert healed.holds, healed.text
                await scene.system.wait_ready(scene.cluster, 30)
                for node in scene.cluster.nodes:
                    assert await scene.system.failpoints.armed(node) == {}

    asyncio.run(body())


def test_what_is_out_of_reach_or_unknown_is_told(etcd) -> None:
    async def body() -> None:
        async with etcd(RELEASE) as scene:
            with pytest.raises(Broken, match="snapshot_count=50"):
                await make("failpoint", {"failpoint.name": "raftBeforeSaveSnap"}).plan(
                    scene, "any", Random(1)
                )
            with pytest.raises(Broken, match='did you mean "raftBeforeSave"'):
                await make("failpoint", {"failpoint.name": "raftBeforeSav"}).plan(scene, "any", Random(1))
            # By chance never one that this run cannot reach.
            drawn = [await make("failpoint", {}).plan(scene, "any", Random(seed)) for seed in range(30)]
            assert len({plan.detail["point"] for plan in drawn}) > 10
            assert {"snapshot"}.isdisjoint(plan.detail["trigger"] for plan in drawn)

    asyncio.run(body())


def test_without_such_a_build_it_is_wrong_usage(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "quorate", "test", "etcd@3.7.3", "-f", "failpoint"]
    done = subprocess.run(
        [*command, "--store", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 4, done.stderr
    assert "etcd@3.7.3+failpoints" in done.stderr
