"""Damaged disks of real servers: what is corrupted has other bytes, the server refuses or serves, and is rebuilt."""

from __future__ import annotations

import asyncio
import signal
from random import Random
from typing import Any

import pytest

from quorate.harness.core.fault import Plan, Scene, make
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.consul import Consul
from quorate.harness.systems.zookeeper import ZooKeeper
from quorate.nemesis.progress import others_know_all

pytestmark = pytest.mark.cluster


async def hurt_and_rebuilt(scene: Scene, kind: str, outcome: str) -> None:
    fault = make("corrupt", {"corrupt.kind": kind})
    plan = await fault.plan(scene, "follower", Random(5))
    await fault.inject(scene, plan)
    proof = await fault.prove(scene, plan)
    assert proof.holds, proof.text
    assert outcome in proof.text
    await fault.heal(scene, plan)
    healed = await fault.prove_healed(scene, plan)
    assert healed.holds, healed.text
    await scene.system.wait_ready(scene.cluster, 30)


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("wal-bit", "refuses to start"), ("wal-cut", ""), ("snap-bit", ""), ("db-bit", "it serves")],
)
def test_a_hurt_server_is_rebuilt_from_the_others(etcd, kind: str, outcome: str) -> None:
    async def body() -> None:
        async with etcd(snapshot_count="50") as scene:
            await asyncio.sleep(2)  # for the writers to fill the log
            await hurt_and_rebuilt(scene, kind, outcome)

    asyncio.run(body())


def test_nothing_is_hurt_before_the_others_agree_without_it(etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single server that is left may lack what it would be the last to have."""

    async def body() -> None:
        async with etcd() as scene:
            target, frozen, _ = scene.cluster.nodes
            plan = Plan("corrupt", target.name, (target.name,), {"kind": "wal-tail", "at": 0.5, "size": 100})
            await frozen.signal("etcd", signal.SIGSTOP)
            monkeypatch.setattr("quorate.nemesis.progress._EVEN_S", 1.0)
            with pytest.raises(Broken, match="did not agree without the targets"):
                await make("corrupt", {"corrupt.kind": "wal-tail"}).inject(scene, plan)
            monkeypatch.setattr("quorate.nemesis.progress._EVEN_S", 20.0)
            await frozen.signal("etcd", signal.SIGCONT)
            await others_know_all(scene, [target.name])
            others = [one for one in await scene.system.status(scene.cluster) if one.node != target.name]
            assert all(one.healthy for one in others)

    asyncio.run(body())


@pytest.mark.parametrize(
    ("system", "kinds"),
    [
        (
            Consul(SystemOptions(release="1.8.7", settings={"snapshot_threshold": "100"})),
            {"db-cut": "refuses to start", "snap-bit": ""},
        ),
        (
            ZooKeeper(SystemOptions(release="3.9.4")),
            {"log-tail": "", "log-bit": "refuses to start", "log-cut": "it serves", "snap-bit": ""},
        ),
    ],
    ids=["consul", "zookeeper"],
)
def test_one_server_after_the_other_is_hurt_and_rebuilt(serving, system: Any, kinds: dict[str, str]) -> None:
    async def body() -> None:
        async with serving(system) as scene:
            await asyncio.sleep(2)
            for kind, outcome in kinds.items():
                await hurt_and_rebuilt(scene, kind, outcome)

    asyncio.run(body())
