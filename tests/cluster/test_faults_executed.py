"""All faults through commands in containers: as for a user without root, or an engine in a virtual machine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.cluster.factory import engine_answers
from quorate.harness.cluster.network import ExecutedNetwork
from quorate.harness.core.fault import Scene
from quorate.harness.core.node import Cluster, Daemon, Node, ProcessState
from quorate.harness.generators import Invocation
from quorate.nemesis import Nemesis, parse

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not engine_answers(), reason="no Docker engine answers"),
]


class Sleeper:
    name = daemon = "sleeper"
    membership = None
    runtime = "go"
    virtual = False

    async def start(self, cluster: Cluster, node: Node) -> None:  # noqa: ARG002
        script = "$| = 1; print qq(up\n); while (1) { select undef, undef, undef, 0.1 }"
        await node.start(Daemon("sleeper", ("/usr/bin/perl", "-e", script), f"{node.directory}/sleeper.log"))

    def log_files(self, node: Node) -> Sequence[str]:
        return [f"{node.directory}/sleeper.log"]


def test_every_fault_is_proved_and_healed_through_commands_in_containers():
    async def body() -> None:
        cluster = make_cluster("docker", run_id=new_run_id(), count=3, force_exec=True)
        await cluster.up()
        try:
            system: Any = Sleeper()
            for node in cluster.nodes:
                await system.start(cluster, node)
            assert isinstance(cluster.network, ExecutedNetwork)
            nemesis = Nemesis.from_mix(
                parse("partition:n1,kill:n2,pause:n3,clock:n1+n3,packet:n2"),
                interval_s=5,
                time_s=60,
                rng=Random(1),
                settings={"clock.mode": "jump", "packet.mode": "lossy", "packet.loss": "0.5"},
            )
            nemesis.attach(Scene(cluster, system))
            for spec in nemesis.specs:
                for action in ("inject", "heal"):
                    value = {"action": action, "target": spec.target}
                    outcome = await nemesis.act(Invocation(spec.name, value=value))
                    assert outcome.type == "ok", (spec, action, outcome)
            for node in cluster.nodes:
                assert await node.state("sleeper") is ProcessState.RUNNING
                rules = await node.run(["nft", "list", "ruleset"])
                assert "quorate" not in rules.stdout
        finally:
            await cluster.down()

    asyncio.run(body())
