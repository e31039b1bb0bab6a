"""Three servers of each system in turn, started once and shared: every test leaves them healthy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.core.clock import clock_of
from quorate.harness.core.node import Cluster
from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.consul import Consul
from quorate.harness.systems.etcd import Etcd
from quorate.harness.systems.simulated import Simulated, SimulatedCluster
from quorate.harness.systems.zookeeper import ZooKeeper
from tests.cluster.servers import Run, Servers, running

SYSTEMS = {
    "etcd": lambda: Etcd(SystemOptions()),
    "consul": lambda: Consul(SystemOptions(settings={"rpc_hold": "1s", "reads": "consistent"})),
    "zookeeper": lambda: ZooKeeper(SystemOptions()),
    "simulated": lambda: Simulated(SystemOptions()),
}


@pytest.fixture(scope="session", params=SYSTEMS)
def servers(request: pytest.FixtureRequest, run: Run) -> Iterator[Servers]:
    yield from running(run, SYSTEMS[request.param](), cluster=run(_cluster(request.param)))


async def _cluster(system: str) -> Cluster:
    if system == "simulated":
        return SimulatedCluster("run", ["n1", "n2", "n3"], Random(1), clock_of(asyncio.get_running_loop()))
    return make_cluster("local", run_id=new_run_id(), count=3)


@pytest.fixture
def clients(run: Run, servers: Servers) -> Iterator[list[Any]]:
    """A client at each node, which knows that node alone."""
    made = [run(servers.client(node)) for node in servers.nodes]
    yield made
    for client in made:
        run(client.close())
