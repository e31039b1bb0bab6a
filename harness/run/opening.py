"""Which nodes each client knows, and its connection to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from quorate.harness.core.node import Node
from quorate.harness.core.settings import read
from quorate.harness.core.system import System
from quorate.harness.core.test import Test
from quorate.harness.run.runner import Connection
from quorate.harness.run.settings import RunSettings

# One client in four knows all nodes, as users' clients do; the others show what each node by itself answers.
_KNOWS_ALL_EVERY: Final = 4


class Clients:
    """Opens the clients of a run; `--set pinning` says which of them know one node alone."""

    def __init__(self, test: Test, system: System, nodes: Sequence[Node]) -> None:
        self._timeout_s = test.timeout
        self._system = system
        self._nodes = nodes
        self._pinning = read(RunSettings, test.settings).pinning

    async def open(self, thread: int, process: int) -> Connection:  # noqa: ARG002 - the runner's signature
        """Connect a thread's next client."""
        nodes = self._nodes
        name = self.pinned(thread)
        if name is None:
            first = thread % len(nodes)
            return Connection(await self._system.client([*nodes[first:], *nodes[:first]], self._timeout_s))
        (node,) = [node for node in nodes if node.name == name]
        return Connection(await self._system.client([node], self._timeout_s), node.name)

    def pinned(self, thread: int) -> str | None:
        """Return the node that the thread's clients know alone; None where they know all."""
        knows_all = self._pinning == "none" or (
            self._pinning == "mixed" and thread % _KNOWS_ALL_EVERY == _KNOWS_ALL_EVERY - 1
        )
        nodes = self._nodes
        return None if knows_all and len(nodes) > 1 else nodes[thread % len(nodes)].name
