"""How a client of the simulated store sends a request: to one node, with latency, under a deadline, once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from quorate.harness.cluster.network.clients import CLIENTS
from quorate.harness.core.outcome import OutcomeError, Refused, Reply, Unknown
from quorate.harness.systems.simulated.cluster import SimulatedCluster, SimulatedNode
from quorate.harness.systems.simulated.commands import Command, Outcome


class Caller:
    """One logical client with its session; it stays with one node until a connection is refused or an answer fails."""

    def __init__(self, cluster: SimulatedCluster, nodes: Sequence[SimulatedNode], timeout_s: float) -> None:
        cluster.sessions += 1
        self.session = f"s{cluster.sessions}"
        self._cluster = cluster
        self._nodes = nodes
        self._at = cluster.sessions % len(nodes)
        self._seen = 0
        self._timeout_s = timeout_s

    async def close(self) -> None:
        """End the session: the service lets go of its locks."""
        self._cluster.closed_sessions.add(self.session)

    async def connect(self) -> None:
        """Find a node that accepts connections; raise `Refused` where none does."""
        await asyncio.sleep(self._cluster.network.latency_s())
        self._connected()

    def _connected(self) -> SimulatedNode:
        for _ in self._nodes:
            node = self._nodes[self._at]
            if node.replica is not None:
                return node
            self._at = (self._at + 1) % len(self._nodes)
        raise Refused("connection-refused", "no node accepts connections")

    async def _call(self, f: str, key: str = "", argument: Any = None) -> Reply:
        """Send a request and wait for the answer, both with latency, until the deadline."""
        loop = asyncio.get_running_loop()
        latency_s = self._cluster.network.latency_s
        future: asyncio.Future[Outcome] = loop.create_future()
        command = Command(f, key, argument, self.session, seen=self._seen)
        place = self._at

        def settle(outcome: Outcome) -> None:
            if not future.done():
                future.set_result(outcome)

        cuts = self._cluster.network

        def arrive() -> None:
            try:
                node = self._connected()
            except Refused as error:
                settle(error)
                return

            def answered(outcome: Outcome) -> None:
                if (node.name, CLIENTS) not in cuts.client_cuts:
                    loop.call_later(latency_s(), settle, outcome)

            if (CLIENTS, node.name) not in cuts.client_cuts:
                node.call(command, answered)

        loop.call_later(latency_s(), arrive)
        deadline = loop.call_later(
            self._timeout_s, settle, Unknown("timeout", f"no answer in {self._timeout_s:g} s")
        )
        try:
            outcome = await future
        finally:
            deadline.cancel()
        if isinstance(outcome, OutcomeError):
            if outcome.code in {"timeout", "connection-reset", "no-leader", "not-leader"}:
                self._at = (place + 1) % len(self._nodes)
            raise outcome
        self._seen = max(self._seen, outcome.version or 0)
        return outcome
