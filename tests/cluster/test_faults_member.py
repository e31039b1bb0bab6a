"""Members of real clusters leave and come back empty: listed, caught up, and no target for others meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
from random import Random

import pytest

from quorate.harness.core.fault import Scene, make
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import Broken, OutcomeError
from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.consul import Consul
from quorate.harness.systems.zookeeper import ZooKeeper
from quorate.nemesis.member import Member
from quorate.nemesis.targets import present

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces of the test's own"),
]


async def there_and_back(scene: Scene, fault: Member, target: str) -> None:
    plan = await fault.plan(scene, target, Random(3))
    (gone,) = plan.nodes
    await fault.inject(scene, plan)
    proof = await fault.prove(scene, plan)
    assert proof.holds, proof.text
    assert gone not in proof.data["members"]
    await fault.heal(scene, plan)
    await fault.heal(scene, plan)
    healed = await fault.prove_healed(scene, plan)
    assert healed.holds, healed.text
    assert healed.data["members"] == dict.fromkeys(("n1", "n2", "n3"), "voter")
    await scene.system.wait_ready(scene.cluster, 30)


@pytest.mark.parametrize("way", ["learner", "voter"])
def test_etcd_lets_its_leader_go_and_takes_it_back(etcd, way: str) -> None:
    async def body() -> None:
        async with etcd() as scene:
            await there_and_back(scene, make("member", {"member.way": way}), "leader")

    asyncio.run(body())


def test_who_is_away_is_no_target_and_cannot_be_started(etcd) -> None:
    async def body() -> None:
        async with etcd() as scene:
            fault = make("member", {})
            plan = await fault.plan(scene, "n2", Random(3))
            await fault.inject(scene, plan)
            (node,) = (node for node in scene.cluster.nodes if node.name == "n2")
            assert present(scene) == ["n1", "n3"]
            with pytest.raises(Broken, match="removed"):
                await scene.system.start(scene.cluster, node)
            with pytest.raises(Broken, match="n2"):
                await make("kill", {}).plan(scene, "n2", Random(1))
            assert await node.state("etcd") is ProcessState.DEAD
            data = await node.run(["ls", scene.system.data(node)])
            assert data.stdout == ""
            # A healing without a majority gives up soon, and works when it is tried again.
            (other,) = (node for node in scene.cluster.nodes if node.name == "n3")
            await other.signal("etcd", 9)
            await fault.heal(scene, plan)
            assert not (await fault.prove_healed(scene, plan)).holds
            await scene.system.start(scene.cluster, other)
            await fault.heal(scene, plan)
            healed = await fault.prove_healed(scene, plan)
            assert healed.holds, healed.text

    asyncio.run(body())


def test_a_removal_that_took_effect_late_is_made_good(etcd) -> None:
    async def body() -> None:
        async with etcd() as scene:
            system, (first, node, _) = scene.system, scene.cluster.nodes
            members = await system.maintenance.members(first)
            mine = next(member for member in members if member.name == node.name)
            async with asyncio.timeout(20):
                while True:
                    with contextlib.suppress(OutcomeError):  # refused in the cluster's first five seconds
                        await system.maintenance.remove(first, mine.id)  # behind the system's back
                        break
                    await asyncio.sleep(0.2)
            await system.membership.add(scene.cluster, node, "learner", 25)
            listed = await system.membership.members(scene.cluster)
            assert listed.roles == dict.fromkeys(("n1", "n2", "n3"), "voter")
            assert mine.id not in {member.id for member in await system.maintenance.members(first)}
            await system.wait_ready(scene.cluster, 30)

    asyncio.run(body())


def test_consul_lets_a_server_go_and_takes_it_back(serving) -> None:
    async def body() -> None:
        async with serving(Consul(SystemOptions(release="1.8.7"))) as scene:
            await there_and_back(scene, make("member", {}), "follower")

    asyncio.run(body())


@pytest.mark.parametrize(("way", "target"), [("learner", "leader"), ("voter", "follower")])
def test_zookeeper_lets_a_server_go_and_takes_it_back(serving, way: str, target: str) -> None:
    async def body() -> None:
        fault = make("member", {"member.way": way})
        async with serving(ZooKeeper(SystemOptions(release="3.9.4")), [fault]) as scene:
            await there_and_back(scene, fault, target)

    asyncio.run(body())
