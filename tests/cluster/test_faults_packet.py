"""Slow, lossy and flaky packets between real nodes; clients are spared, and nothing stays."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from quorate.harness.cluster import doctor, make_cluster, new_run_id
from quorate.harness.cluster.network import EnteredNetwork, ExecutedNetwork
from quorate.harness.core.fault import Plan, Scene, make
from quorate.harness.core.node import Cluster, Node
from quorate.nemesis.packet import Packet
from tests.cluster.needs import needs, program

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes network namespaces"),
    needs(doctor.losses),
    needs(doctor.packet_queue),
]


class Nobody:
    name = daemon = "nobody"
    membership = None


@asynccontextmanager
async def scene_of(count: int) -> AsyncIterator[Scene]:
    cluster = make_cluster("local", run_id=new_run_id(), count=count)
    await cluster.up()
    try:
        system: Any = Nobody()
        yield Scene(cluster, system)
    finally:
        await cluster.down()


def ping_ms(address: str) -> float:
    told = subprocess.run(["ping", "-c1", "-W2", address], check=True, capture_output=True, text=True).stdout
    return float(told.split("time=")[1].split()[0])


async def planned(fault: Packet, scene: Scene, target: str = "one", seed: int = 1) -> Plan:
    return await fault.plan(scene, target, Random(seed))


@pytest.mark.parametrize(
    "settings", [{"packet.mode": "slow", "packet.delay": "40ms"}, {"packet.mode": "flaky"}]
)
def test_packets_are_held_back_for_targets_only(settings: dict[str, str]):
    async def body() -> None:
        async with scene_of(3) as scene:
            fault = make("packet", settings)
            plan = await planned(fault, scene)
            (name,) = plan.nodes
            (node,) = [node for node in scene.cluster.nodes if node.name == name]
            await fault.inject(scene, plan)
            try:
                proof = await fault.prove(scene, plan)
                assert proof.holds, proof
                assert proof.data["delay_ms_min"] < 1000
                others = [other.name for other in scene.cluster.nodes if other.name != name]
                network = scene.cluster.network
                assert isinstance(network, EnteredNetwork)
                free = await network.measure(
                    [(name, others[0]), (others[0], others[1])], count=10, gap_s=0.005, patience_s=0.5
                )
                assert all(flight.lost == 0 and min(flight.delays_s) < 0.01 for flight in free.values())
                if shutil.which("ping"):
                    assert min(ping_ms(node.address) for _ in range(3)) < 20  # from the host side: a client
            finally:
                await fault.heal(scene, plan)
                await fault.heal(scene, plan)
            healed = await fault.prove_healed(scene, plan)
            assert healed.holds, healed
            counts = healed.data["counts"]
            assert counts["delayed"] > 0
            if settings["packet.mode"] == "flaky":
                assert counts["lost"] + counts["duplicated"] + counts["corrupted"] > 0
            assert not await network.holds(name)

    asyncio.run(body())


@pytest.mark.parametrize("mode", ["doubled", "overtaking", "damaged", "ramp"])
def test_each_trouble_alone_is_seen_by_probes(mode: str):
    async def body() -> None:
        async with scene_of(3) as scene:
            fault = make("packet", {"packet.mode": mode})
            plan = await planned(fault, scene, "one")
            await fault.inject(scene, plan)
            proof = await fault.prove(scene, plan)
            assert proof.holds, proof
            await fault.heal(scene, plan)
            healed = await fault.prove_healed(scene, plan)
            assert healed.holds, healed
            counts = healed.data["counts"]
            touched = {"doubled": "duplicated", "damaged": "corrupted"}.get(mode, "delayed")
            assert counts[touched] > 0
            others = {"lost", "duplicated", "corrupted", "delayed"} - {touched}
            assert {name for name in others if counts[name]} == set()

    asyncio.run(body())


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_as_many_packets_are_lost_as_planned(share: float):
    async def body() -> None:
        async with scene_of(3) as scene:
            fault = make("packet", {"packet.mode": "lossy", "packet.loss": str(share)})
            plan = await planned(fault, scene, "all")
            await fault.inject(scene, plan)
            proof = await fault.prove(scene, plan)
            assert proof.holds, proof
            await fault.heal(scene, plan)
            assert (await fault.prove_healed(scene, plan)).holds

    asyncio.run(body())


@program("nft", "nftables")
def test_packets_are_lost_where_nodes_cannot_be_entered():
    async def body() -> None:
        async with scene_of(2) as scene:
            network = ExecutedNetwork(scene.cluster.nodes)
            scene = Scene(Among(scene.cluster, network), scene.system)  # type: ignore[arg-type]  # noqa: PLW2901
            fault = make("packet", {"packet.mode": "lossy", "packet.loss": "0.5"})
            plan = await planned(fault, scene, "all")
            await fault.inject(scene, plan)
            proof = await fault.prove(scene, plan)
            assert proof.holds, proof
            await fault.heal(scene, plan)
            assert (await fault.prove_healed(scene, plan)).holds

    asyncio.run(body())


class Among:
    """A cluster with another network."""

    def __init__(self, cluster: Cluster, network: Any) -> None:
        self._cluster, self.network = cluster, network

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)


def test_what_is_not_there_is_not_proved():
    async def body() -> None:
        async with scene_of(2) as scene:
            for mode in ("slow", "lossy"):
                fault = make("packet", {"packet.mode": mode, "packet.loss": "0.3"})
                plan = await planned(fault, scene, "all")
                assert not (await fault.prove(scene, plan)).holds
                await fault.heal(scene, plan)

    asyncio.run(body())


@pytest.mark.parametrize("how", ["crash", "orphan"])
def test_packets_flow_again_when_the_listener_dies(how: str):
    async def body() -> None:
        async with scene_of(2) as scene:
            fault = make("packet", {"packet.mode": "slow", "packet.delay": "100ms"})
            plan = await planned(fault, scene, "all")
            await fault.inject(scene, plan)
            process = fault._queueing._process
            assert process is not None
            if how == "crash":
                process.send_signal(signal.SIGKILL)
            else:
                assert process.stdin is not None
                process.stdin.close()  # as the harness' death does
            await process.wait()
            network = scene.cluster.network
            assert isinstance(network, EnteredNetwork)
            flights = await network.measure([("n1", "n2"), ("n2", "n1")], count=5, gap_s=0.01, patience_s=1)
            assert all(flight.lost == 0 and min(flight.delays_s) < 0.05 for flight in flights.values())
            assert not (await fault.prove(scene, plan)).holds
            await fault.heal(scene, plan)
            assert (await fault.prove_healed(scene, plan)).holds

    asyncio.run(body())


def test_established_connections_carry_whole_files_through_a_flaky_network():
    """Loss, copies, overtaking and damage are repaired by TCP: what arrives is what was sent."""

    async def body() -> None:
        async with scene_of(2) as scene:
            one, other = scene.cluster.nodes
            fault = make("packet", {"packet.mode": "flaky", "packet.delay": "2ms", "packet.loss": "0.02"})
            plan = await planned(fault, scene, "all")
            await fault.inject(scene, plan)
            receiver = await in_node(
                other,
                "use IO::Socket::INET; use Digest::MD5; my $s = IO::Socket::INET->new(LocalPort => 8001, Listen => 1);"
                "print qq(up\n); my $c = $s->accept; my $d = Digest::MD5->new; $d->addfile($c); print $d->hexdigest",
            )
            assert receiver.stdout is not None
            assert await receiver.stdout.readline() == b"up\n"
            sender = await in_node(
                one,
                "use IO::Socket::INET; use Digest::MD5; my $data = join('', map { chr($_ % 251) } 1 .. 100000);"
                f"my $c = IO::Socket::INET->new(PeerAddr => '{other.address}', PeerPort => 8001) or die $!;"
                "print $c $data; close $c; print Digest::MD5::md5_hex($data)",
            )
            begin = time.monotonic()
            async with asyncio.timeout(60):
                (sent, _), (received, _) = await asyncio.gather(sender.communicate(), receiver.communicate())
            assert sent == received
            assert time.monotonic() - begin < 60
            await fault.heal(scene, plan)
            healed = await fault.prove_healed(scene, plan)
            assert healed.data["counts"]["packets"] > 20

    asyncio.run(body())


async def in_node(node: Node, script: str) -> asyncio.subprocess.Process:
    argv: Sequence[str] = ["nsenter", f"--net={node.netns}", "perl", "-e", f"$| = 1; {script}"]
    return await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
