"""What operators do to a running service, beside starting and stopping it: what a system's `operating` offers."""

from __future__ import annotations

from typing import Protocol

from quorate.harness.core.node import Node

DEFRAGMENT, COMPACT, MOVE_LEADER = "defragment", "compact", "moveleader"


class Operating(Protocol):
    """Each action goes to one server, and raises an `OutcomeError` as a client's call does."""

    @property
    def actions(self) -> frozenset[str]:
        """Which of the actions there are in the release asked for."""
        ...

    async def defragment(self, node: Node) -> str:
        """Rewrite the server's store while it serves; return what was done, in words."""
        ...

    async def compact(self, node: Node) -> str:
        """Have the service forget all but the present, and return once that is gone from this server's disk."""
        ...

    async def move_leader(self, leader: Node, target: Node) -> str:
        """Have the leader hand over to the target."""
        ...
