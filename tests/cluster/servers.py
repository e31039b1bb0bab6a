"""Real servers for the tests of one system: three of them, started once and shared; every test leaves them healthy."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.core.node import Cluster, Node
from quorate.harness.core.outcome import OutcomeError
from tests.cluster.needs import or_skip

Run = Callable[[Coroutine[Any, Any, Any]], Any]
READY_S = 30


class Servers:
    """A running cluster of one system and what the tests do to it."""

    def __init__(self, cluster: Cluster, system: Any, timeout_s: float) -> None:
        self.cluster = cluster
        self.system = system
        self.timeout_s = timeout_s

    @property
    def nodes(self) -> list[Node]:
        return list(self.cluster.nodes)

    async def start(self) -> None:
        await self.cluster.up()
        await self.system.install(self.cluster)
        await asyncio.gather(*(self.system.start(self.cluster, node) for node in self.nodes))
        await self.ready()

    async def ready(self) -> None:
        await self.system.wait_ready(self.cluster, READY_S)

    async def client(self, *nodes: Node, timeout_s: float | None = None) -> Any:
        return await self.system.client(nodes or self.nodes[:1], timeout_s or self.timeout_s)

    async def leader(self) -> Node:
        """Who leads; of several that think so, whoever has the highest term."""
        statuses = await self.system.status(self.cluster)
        if not any(status.role == "leader" for status in statuses):
            statuses = await self.system.wait_ready(self.cluster, READY_S)
        statuses = sorted(statuses, key=lambda status: -(status.term or 0))
        name = next(status.node for status in statuses if status.role == "leader")
        return next(node for node in self.nodes if node.name == name)

    async def follower(self) -> Node:
        leader = await self.leader()
        return next(node for node in self.nodes if node is not leader)

    async def cut_off(self, node: Node) -> None:
        others = [other.name for other in self.nodes if other is not node]
        pairs = {(node.name, other) for other in others} | {(other, node.name) for other in others}
        await self.cluster.network.cut(frozenset(pairs))

    async def restart(self, node: Node) -> None:
        await self.system.start(self.cluster, node)
        await self.ready()

    async def heal(self) -> None:
        for node in self.nodes:
            await node.signal(self.system.daemon, signal.SIGCONT)
        await self.cluster.network.heal()
        await self.ready()


async def outcome(awaitable: Any) -> OutcomeError:
    """The error that an operation ends with."""
    with pytest.raises(OutcomeError) as caught:
        await awaitable
    return caught.value


async def until_ok(call: Callable[[], Awaitable[Any]], deadline_s: float = 10.0) -> Any:
    """The first reply of a call that is repeated while it is refused or its outcome is unknown."""
    async with asyncio.timeout(deadline_s):
        while True:
            with contextlib.suppress(OutcomeError):
                return await call()
            await asyncio.sleep(0.05)


def running(
    run: Run, system: Any, timeout_s: float = 4.0, cluster: Cluster | None = None
) -> Iterator[Servers]:
    """Three servers while the tests of a session last; `timeout_s` is what clients get unless a test says other."""
    or_skip(system)
    cluster = cluster or make_cluster("local", run_id=new_run_id(), count=3)
    one = Servers(cluster, system, timeout_s)
    try:
        run(one.start())
        yield one
    finally:
        run(cluster.down())
