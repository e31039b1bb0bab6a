"""Damaged disks of a real etcd: what is hurt is other bytes, the server refuses or serves, and is rebuilt."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from nemesis.corrupt import Corrupt

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("wal-bit", "refuses to start"), ("wal-cut", ""), ("snap-bit", ""), ("db-bit", "it serves")],
)
def test_a_hurt_server_is_rebuilt_from_the_others(etcd, kind: str, outcome: str) -> None:
    async def body() -> None:
        async with etcd(snapshot_count="50") as scene:
            await asyncio.sleep(2)  # for the writers to fill the log
            fault = Corrupt({"corrupt.kind": kind})
            plan = await fault.plan(scene, "follower", Random(5))
            await fault.inject(scene, plan)
            proof = await fault.prove(scene, plan)
            assert proof.holds, proof.text
            assert outcome in proof.text
            await fault.heal(scene, plan)
            healed = await fault.prove_healed(scene, plan)
            assert healed.holds, healed.text
            await scene.system.wait_ready(scene.cluster, 30)

    asyncio.run(body())
