"""Who belongs to a cluster, and changing it under load: what a system's attribute `membership` offers.

See docs/decisions/membership.md.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from quorate.harness.core.node import Cluster, Node, ProcessState
from quorate.harness.core.outcome import Broken

VOTER: Final = "voter"
LEARNER: Final = (
    "learner"  # takes part and does not vote: etcd's learner, Consul's non-voter, ZooKeeper's observer
)


class Listing(msgspec.Struct, frozen=True):
    """Nodes by what they are (`VOTER`, `LEARNER`), and whose word that is, where more is known than "the cluster's"."""

    roles: Mapping[str, str]
    source: str = ""


class Membership(Protocol):
    """Members leave and come back one at a time. `away` are the nodes that were removed and are not yet back."""

    @property
    def ways(self) -> tuple[str, ...]:
        """How a node can come back, the default first: as `learner`, which is promoted, or as `voter` at once."""
        ...

    @property
    def away(self) -> frozenset[str]:
        """Nodes that are not members now; their servers cannot be started."""
        ...

    def missing(self) -> str | None:
        """Return why this release, as it is set up, cannot change its members, with the fix; None where it can."""
        ...

    async def prepare(self, cluster: Cluster) -> None:
        """Configure installed servers, before they start, so that their members can change; raise `Broken`."""
        ...

    async def members(self, cluster: Cluster) -> Listing | None:
        """Return who belongs to it, as a majority agrees; None where no member can say so now."""
        ...

    async def remove(self, cluster: Cluster, node: Node, deadline_s: float) -> None:
        """Take the node out, end its server and empty its disk; raise `Broken` where that was not agreed on in time.

        The node is `away` from the moment at which it may have been taken out.
        """
        ...

    async def add(self, cluster: Cluster, node: Node, way: str, deadline_s: float) -> None:
        """Bring an empty node back, started and a voter; raise `Broken` at the deadline. May be tried again."""
        ...


_POLL_S: Final = 0.1
_DEATH_S: Final = 10.0


async def pause(end: float, node: Node, why: str) -> None:
    """Wait a moment before the next try; raise `Broken` with the reason where the loop's time `end` has come."""
    if asyncio.get_running_loop().time() >= end:
        raise Broken("not-a-member", f"{node.name} {why}")
    await asyncio.sleep(_POLL_S)


async def ended(node: Node, daemon: str) -> None:
    """Kill the server on a node, and return once it is dead."""
    end = asyncio.get_running_loop().time() + _DEATH_S
    await node.signal(daemon, signal.SIGKILL)
    while await node.state(daemon) is not ProcessState.DEAD:
        await pause(end, node, "does not die")
