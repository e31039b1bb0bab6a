"""Base of all clusters that are up: the run's id, the nodes, the network between them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from quorate.harness.core.node import Network, Node


class Wipeable(Node, Protocol):
    """A node that can be made as new."""

    async def wipe(self) -> None:
        """Kill all daemons and empty the node's directory."""
        ...


N = TypeVar("N", bound=Wipeable)


class Standing(Generic[N]):
    """A cluster but for how it comes up and goes: subclasses fill `_nodes`, and empty it with `_fall`."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._nodes: list[N] = []
        self._network: Network | None = None
        self._kept = False

    @property
    def run_id(self) -> str:
        """The label on everything this cluster made; one taken over keeps the label of the run that made it."""
        return self._run_id

    @property
    def nodes(self) -> Sequence[N]:
        """All nodes, in order; none before `up`."""
        return self._nodes

    @property
    def network(self) -> Network:
        """The network between the nodes."""
        if self._network is None:
            from quorate.harness.cluster.network import network_for  # noqa: PLC0415 - loads a C library

            self._network = network_for(self._nodes, self._run_id)
        return self._network

    async def wipe(self) -> None:
        """Kill all daemons, empty the directories and heal the network; the nodes stay."""
        await asyncio.gather(*(node.wipe() for node in self._nodes))
        if self._network is not None:
            await self._network.heal()

    def _fall(self) -> None:
        self._nodes, self._network = [], None
