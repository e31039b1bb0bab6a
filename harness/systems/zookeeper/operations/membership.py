"""Servers leave ZooKeeper's ensemble and come back by reconfiguration under load (3.5 and later)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from quorate.harness.cluster.shell import empty_command
from quorate.harness.core.membership import LEARNER, VOTER, Listing, ended, pause
from quorate.harness.core.node import Cluster, Node, ProcessState
from quorate.harness.core.outcome import Broken
from quorate.harness.systems.releases.way import numbers
from quorate.harness.systems.zookeeper.client.access import Access
from quorate.harness.systems.zookeeper.operations import reconfiguring
from quorate.harness.systems.zookeeper.operations.ensemble import Ensemble, Seat, first, number_of
from quorate.harness.systems.zookeeper.server import health
from quorate.harness.systems.zookeeper.server.configuring import dynamic_files, identity
from quorate.harness.systems.zookeeper.server.installing import unpack
from quorate.harness.systems.zookeeper.server.settings import ZooKeeperSettings

_WIPE_S: Final = 30.0
_SINCE: Final = (3, 5)


class MembershipOfZooKeeper:
    """Membership of one ensemble; a server that comes back keeps its number."""

    def __init__(
        self,
        daemon: str,
        start: Callable[[Cluster, Node], Awaitable[None]],
        settings: ZooKeeperSettings,
        releases: Callable[[], Sequence[str]],
        access: Callable[[], Access],
    ) -> None:
        self._daemon = daemon
        self._start = start
        self._settings = settings
        self._releases = releases
        self._access = access
        self._away: set[str] = set()
        self._joining: set[str] = set()
        self.prepared = False

    @property
    def ways(self) -> tuple[str, ...]:
        """By way of an observer, or as a participant at once."""
        return (LEARNER, VOTER)

    @property
    def away(self) -> frozenset[str]:
        """Nodes that were removed and are not yet back."""
        return frozenset(self._away)

    @property
    def joining(self) -> frozenset[str]:
        """Nodes that run again and do not vote yet, even where they call themselves followers."""
        return frozenset(self._joining)

    def missing(self) -> str | None:
        """Return why not: reconfiguration came with 3.5. A release without a number is taken to be new."""
        old = [release for release in self._releases() if () < numbers(release) < _SINCE]
        if not old:
            return None
        return f"ZooKeeper {old[0]} cannot change its ensemble: reconfiguration came with 3.5, say zookeeper@3.9.4"

    async def prepare(self, cluster: Cluster) -> None:
        """Give every server a configuration that can change; raise `Broken` for a release that has none."""
        if (why := self.missing()) is not None:
            raise Broken("fixed-ensemble", why)
        ensemble = first(cluster.nodes)
        await asyncio.gather(
            *(unpack(node, dynamic_files(node, ensemble, self._settings)) for node in cluster.nodes)
        )
        self.prepared = True

    async def members(self, cluster: Cluster) -> Listing | None:
        """Return the newest configuration that a server has applied, each having just been part of a majority."""
        told = await self._told(cluster, ())
        if not told:
            return None
        newest = max(told.values(), key=lambda ensemble: ensemble.version)
        names = {node.address: node.name for node in cluster.nodes}
        by_version: dict[int, list[str]] = {}
        for name, ensemble in told.items():
            by_version.setdefault(ensemble.version, []).append(name)
        said = [f"version {version:#x} by {', '.join(who)}" for version, who in sorted(by_version.items())]
        roles = {names.get(seat.address, str(seat.number)): seat.role for seat in newest.seats}
        return Listing(roles, "; ".join(said))

    async def remove(self, cluster: Cluster, node: Node, deadline_s: float) -> None:
        """Have it leave while it runs, then kill it and empty its directory."""
        end = asyncio.get_running_loop().time() + deadline_s
        self._away.add(node.name)
        number = number_of(cluster.nodes, node)
        while True:
            ensemble = await self._newest(cluster, node)
            if ensemble is not None and ensemble.seat_of(node) is None:
                break
            why = "no server answers with the configuration"
            if ensemble is not None:
                why = await self._tried(cluster, node, leaves=number)
            await pause(end, node, f"was not removed: {why or 'the others have only just agreed to it'}")
        await self._clear(cluster, node)

    async def add(self, cluster: Cluster, node: Node, way: str, deadline_s: float) -> None:
        """Start it on an empty disk among the others, and let it join once it follows their leader.

        Looks at the configuration before each step: a removal that was asked for before may take effect only now.
        """
        end = asyncio.get_running_loop().time() + deadline_s
        number = number_of(cluster.nodes, node)
        while True:
            ensemble = await self._newest(cluster, node)
            seat = ensemble.seat_of(node) if ensemble is not None else None
            dead = await node.state(self._daemon) is ProcessState.DEAD
            if ensemble is None:
                why = "no server answers with the configuration"
            elif dead:
                await self._begin(cluster, node, ensemble, way)
                why = "it was only just started"
            elif seat is not None and seat.role == VOTER:
                self._away.discard(node.name)
                self._joining.discard(node.name)
                return
            elif not await self._follows(node):
                why = "it has not found the leader yet"
            else:
                role = LEARNER if way == LEARNER and seat is None else VOTER
                why = await self._tried(cluster, node, joins=Seat(number, node.address, role))
            await pause(end, node, f"is not a voter: {why or 'the others have only just agreed to it'}")

    def check(self, node: Node) -> None:
        """Raise `Broken` for a node that was removed: it has nothing to start with."""
        if node.name in self._away:
            raise Broken("no-member", f"{node.name} was removed from the ensemble")

    async def _begin(self, cluster: Cluster, node: Node, ensemble: Ensemble, way: str) -> None:
        """Start it: what still has a seat with what it has, what has none empty, configured with those that have."""
        if ensemble.seat_of(node) is None:
            await self._clear(cluster, node)
            mine = Seat(number_of(cluster.nodes, node), node.address, way)
            told = Ensemble((*ensemble.seats, mine))
            await unpack(node, dynamic_files(node, told, self._settings))
        self._away.discard(node.name)
        self._joining.add(node.name)
        await self._start(cluster, node)

    async def _follows(self, node: Node) -> bool:
        (status,) = await health.status([node], self._access())
        return status.healthy

    async def _clear(self, cluster: Cluster, node: Node) -> None:
        await ended(node, self._daemon)
        await node.run(empty_command(f"{node.directory}/data"), timeout_s=_WIPE_S)
        files = identity(cluster.nodes, node)
        await unpack(node, files)
        # Ours, not the server's: a power cut that takes it would be reported as a crash of the server.
        await node.run(["sync", *(f"{node.directory}/{name}" for name in files)], check=False)

    async def _told(self, cluster: Cluster, without: Sequence[str]) -> dict[str, Ensemble]:
        """Ask every present server for the configuration, all at once."""
        nodes = [node for node in cluster.nodes if node.name not in {*without, *self._away}]
        found = await asyncio.gather(*(reconfiguring.ask(node, self._access()) for node in nodes))
        return {node.name: one for node, one in zip(nodes, found, strict=True) if one is not None}

    async def _newest(self, cluster: Cluster, node: Node) -> Ensemble | None:
        told = await self._told(cluster, (node.name,))
        return max(told.values(), key=lambda ensemble: ensemble.version, default=None)

    async def _tried(
        self, cluster: Cluster, node: Node, *, joins: Seat | None = None, leaves: int | None = None
    ) -> str:
        """Ask one other present server after the other, the leader first; return why none did it."""
        others = [one for one in cluster.nodes if one.name not in {node.name, *self._away}]
        statuses = {one.node: one for one in await health.status(others, self._access())}
        said = []
        for through in sorted(others, key=lambda one: statuses[one.name].role != "leader"):
            if not statuses[through.name].healthy:
                continue
            why = await reconfiguring.change(through, self._access(), joins=joins, leaves=leaves)
            if not why:
                return ""
            said.append(why)
        return "; ".join(said) or "no other server answers"
