"""Places in a server's code at which it can be made to crash or to sleep: what a system with such a build offers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from quorate.harness.core.node import Cluster, Node


class Point(msgspec.Struct, frozen=True):
    """One place, by the name that its server lists.

    `trigger` is what makes a server pass it, in the system's own words, empty where ordinary load does. `role` is
    leader or follower where only such a server passes it. `actions` are what may be done there; `needs` says what is
    missing in this run for it ever to be passed, empty where nothing is.
    """

    name: str
    trigger: str = ""
    role: str = ""
    actions: tuple[str, ...] = ("panic", "sleep")
    needs: str = ""


class Failpoints(Protocol):
    """What a system's attribute `failpoints` offers. Nothing of it goes through the clients of the run."""

    @property
    def lag(self) -> int:
        """How many entries a server must miss before it is sent a snapshot (trigger `snapshot`)."""
        ...

    def missing(self) -> str | None:
        """Return why the servers have no failpoints, with the release to ask for; None where they have."""
        ...

    async def points(self, node: Node) -> Sequence[Point]:
        """Return what this server lists, in order of names; raise `Broken` where it does not answer."""
        ...

    async def arm(self, node: Node, point: str, action: str) -> None:
        """Let the server act so (`panic("why")`, `sleep("1s")`) whenever it passes the point."""
        ...

    async def disarm(self, node: Node, point: str) -> None:
        """Let it pass as usual; harmless where nothing is armed, or the server is dead."""
        ...

    async def armed(self, node: Node) -> dict[str, str] | None:
        """Return what is armed on a server, by point; None where it does not answer."""
        ...

    async def hits(self, node: Node, point: str) -> int | None:
        """Return how often it has acted since it was armed; None where the server does not answer."""
        ...

    async def pull(self, cluster: Cluster, node: Node, trigger: str, round_: int) -> None:
        """Do once what makes the server on `node` pass points of this trigger; a request may fail."""
        ...

    def at_start(self, node: Node, armed: str) -> None:
        """Have the next starts of the server on `node` arm this (`name=action`), empty for nothing."""
        ...
