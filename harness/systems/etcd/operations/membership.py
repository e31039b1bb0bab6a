"""Members of etcd leave and come back: removed by the others, wiped, and added again under a new member id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from quorate.harness.cluster.shell import empty_command
from quorate.harness.core.membership import LEARNER, VOTER, Listing, ended, pause
from quorate.harness.core.node import Cluster, Node, ProcessState
from quorate.harness.core.outcome import OutcomeError
from quorate.harness.systems.etcd.operations.maintenance import Maintenance, Member
from quorate.harness.systems.etcd.server.flags import PEER_PORT, Place

_WIPE_S: Final = 30.0
_LEARNERS_SINCE: Final = (3, 4)


class MembershipOfEtcd:
    """Membership of one cluster. A node that came back has another member id than before, as etcd demands."""

    def __init__(
        self,
        maintenance: Maintenance,
        place: Callable[[Node], Place],
        start: Callable[[Cluster, Node], Awaitable[None]],
        oldest: Callable[[], tuple[int, ...]],
        daemon: str,
    ) -> None:
        self._maintenance = maintenance
        self._place = place
        self._start = start
        self._oldest = oldest
        self._daemon = daemon
        self._away: set[str] = set()
        self._joined: dict[str, tuple[Place, ...]] = {}

    @property
    def ways(self) -> tuple[str, ...]:
        """Learners came with 3.4."""
        oldest = self._oldest()
        return (VOTER,) if oldest and oldest < _LEARNERS_SINCE else (LEARNER, VOTER)

    @property
    def away(self) -> frozenset[str]:
        """Nodes that were removed and are not yet back."""
        return frozenset(self._away)

    def missing(self) -> None:
        """Return None: every release can."""

    def joined(self, node: Node) -> Sequence[Place] | None:
        """Return the members that a node was given when it last joined; None for an initial member."""
        return self._joined.get(node.name)

    def joins(self, node: Node, members: Sequence[Place]) -> None:
        """Remember that the node joins these members: on an empty disk it must never bootstrap a new cluster."""
        self._joined[node.name] = tuple(members)
        self._away.discard(node.name)

    async def prepare(self, cluster: Cluster) -> None:
        """Nothing: etcd's members can always change."""

    async def members(self, cluster: Cluster) -> Listing | None:
        """Return the list that a linearizable request gives; below 3.5 what the leader has applied."""
        listed = await self._listed(cluster, ())
        if listed is None:
            return None
        names = _names(cluster)
        return Listing(
            {names.get(_host(member), member.name): LEARNER if member.learner else VOTER for member in listed}
        )

    async def remove(self, cluster: Cluster, node: Node, deadline_s: float) -> None:
        """Have the others remove it while it runs, then kill what is left of it, and empty its directory."""
        end = asyncio.get_running_loop().time() + deadline_s
        self._away.add(node.name)
        while True:
            listed = await self._listed(cluster, (node.name,))
            mine = _of(listed, node)
            if listed is not None and mine is None:
                break
            why = "no member answers the member list"
            if mine is not None:
                why = await self._tried(cluster, node, partial(self._maintenance.remove, member=mine.id))
            await pause(end, node, f"was not removed: {why}")
        await self._clear(node)

    async def add(self, cluster: Cluster, node: Node, way: str, deadline_s: float) -> None:
        """Announce it, start it on an empty disk, and make it a voter once it has caught up.

        Looks at the list before each step: a removal that was asked for before may take effect only now.
        """
        end = asyncio.get_running_loop().time() + deadline_s
        while True:
            listed = await self._listed(cluster, (node.name,))
            mine = _of(listed, node)
            if listed is None:
                why = "no member answers the member list"
            elif mine is None:
                why = await self._announce(cluster, node, learner=way == LEARNER)
            elif await node.state(self._daemon) is ProcessState.DEAD:
                self.joins(node, self._places(cluster, listed))
                await self._start(cluster, node)
                why = "it was only just started"
            elif mine.learner:
                why = await self._tried(cluster, node, partial(self._maintenance.promote, member=mine.id))
            elif mine.name:
                self._away.discard(node.name)
                return
            else:
                why = "it has not published its name"
            await pause(end, node, f"is not a voter: {why or 'the others have only just agreed to it'}")

    async def _announce(self, cluster: Cluster, node: Node, *, learner: bool) -> str:
        """Empty its disk, for what is there belongs to another member id, and add it; return why not."""
        self._away.add(node.name)
        await self._clear(node)
        add = partial(self._maintenance.add, peer_url=self._place(node).peer_url, learner=learner)
        return await self._tried(cluster, node, add)

    def _places(self, cluster: Cluster, listed: Sequence[Member]) -> list[Place]:
        by_address = {other.address: self._place(other) for other in cluster.nodes}
        return [by_address[_host(member)] for member in listed if _host(member) in by_address]

    async def _listed(self, cluster: Cluster, without: Sequence[str]) -> list[Member] | None:
        """Ask the members one after the other for the list; the leader first, for old releases answer locally."""
        for node in await self._askable(cluster, without):
            try:
                return await self._maintenance.members(node)
            except OutcomeError:
                continue
        return None

    async def _tried(self, cluster: Cluster, node: Node, work: Callable[[Node], Awaitable[object]]) -> str:
        """Do it through one other member after the other until one does; return why none did."""
        said = []
        for through in await self._askable(cluster, (node.name,)):
            try:
                await work(through)
            except OutcomeError as error:
                said.append(f"{through.name}: {error}")
            else:
                return ""
        return "; ".join(said) or "no other member answers"

    async def _askable(self, cluster: Cluster, without: Sequence[str]) -> list[Node]:
        statuses = {one.node: one for one in await self._maintenance.status(cluster.nodes)}
        able = [
            node
            for node in cluster.nodes
            if node.name not in {*without, *self._away} and statuses[node.name].healthy
        ]
        return sorted(able, key=lambda node: statuses[node.name].role != "leader")

    async def _clear(self, node: Node) -> None:
        await ended(node, self._daemon)
        await node.run(empty_command(self._place(node).data), timeout_s=_WIPE_S)


def _names(cluster: Cluster) -> dict[str, str]:
    return {node.address: node.name for node in cluster.nodes}


def _host(member: Member) -> str:
    """The address in http://address:port."""
    return member.peer_urls[0].rpartition("//")[2].rpartition(":")[0] if member.peer_urls else ""


def _of(listed: Sequence[Member] | None, node: Node) -> Member | None:
    """The member that lives on the node; known by its address, for a new one has no name yet."""
    wanted = f"://{node.address}:{PEER_PORT}"
    return next((each for each in listed or () if any(url.endswith(wanted) for url in each.peer_urls)), None)
