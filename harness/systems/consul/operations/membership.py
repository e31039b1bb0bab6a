"""Consul servers leave and come back: in good order (agent/leave), wiped, and joined again as non-voters at first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import aiohttp
import msgspec

from quorate.harness.cluster.shell import empty_command
from quorate.harness.core.membership import LEARNER, VOTER, Listing, ended, pause
from quorate.harness.core.node import Cluster, Node, ProcessState
from quorate.harness.core.outcome import Broken
from quorate.harness.systems.consul.client.access import Access

_CALL_S: Final = 2.0
_LEAVE_S: Final = 8.0
_WIPE_S: Final = 30.0
_OK: Final = 200
_LEFT: Final = 3  # serf's status of a member
_SILENT: Final = (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError)
# How long a server must have been healthy before it votes: Consul's own default of ten seconds is long for a run.
_STABLE: Final = "1s"


class MembershipOfConsul:
    """Membership of one cluster, as its leader's raft configuration has it."""

    def __init__(
        self, daemon: str, start: Callable[[Cluster, Node], Awaitable[None]], access: Callable[[], Access]
    ) -> None:
        self._daemon = daemon
        self._access = access
        self._start = start
        self._away: set[str] = set()

    @property
    def ways(self) -> tuple[str, ...]:
        """A server that joins votes once autopilot trusts it."""
        return (LEARNER,)

    @property
    def away(self) -> frozenset[str]:
        """Nodes that were removed and are not yet back."""
        return frozenset(self._away)

    def missing(self) -> None:
        """Return None: every release can."""

    async def prepare(self, cluster: Cluster) -> None:
        """Nothing: Consul's servers can always change."""

    async def members(self, cluster: Cluster) -> Listing | None:
        """Ask for raft's configuration, which the leader answers."""
        names = {node.address: node.name for node in cluster.nodes}
        for node in self._present(cluster, ()):
            found = await self._ask(node, "GET", "operator/raft/configuration")
            if found is not None:
                roles = {
                    names.get(_host(one["Address"]), one["Node"]): VOTER if one["Voter"] else LEARNER
                    for one in found["Servers"]
                }
                return Listing(roles, f"raft's configuration, by {node.name}")
        return None

    async def remove(self, cluster: Cluster, node: Node, deadline_s: float) -> None:
        """Have it leave in good order, or the others drop it; then end it and empty its directory."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        self._away.add(node.name)
        await self._ask(node, "PUT", "agent/leave", timeout_s=_LEAVE_S)
        await ended(node, self._daemon)
        others = self._present(cluster, (node.name,))
        while True:
            listed = await self.members(cluster)
            voted_out = listed is not None and node.name not in listed.roles
            for other in others if not voted_out else ():
                await self._ask(other, "DELETE", f"operator/raft/peer?address={node.address}:8300")
            known = [other for other in others if not await self._left(other, node)]
            if voted_out and not known:
                break
            # Without pruning: that is done late, and would reap a server that has come back by then.
            for other in known:
                await self._ask(other, "PUT", f"agent/force-leave/{node.name}")
            await pause(end, node, "was not removed")
        await node.run(empty_command(f"{node.directory}/data"), timeout_s=_WIPE_S)

    async def add(self, cluster: Cluster, node: Node, way: str, deadline_s: float) -> None:
        """Start it on an empty disk, which makes it join; return once autopilot has made it a voter."""
        del way
        end = asyncio.get_running_loop().time() + deadline_s
        for other in self._present(cluster, (node.name,)):
            found = await self._ask(other, "GET", "operator/autopilot/configuration")
            if found is not None and found.get("ServerStabilizationTime") != _STABLE:
                body = {**found, "ServerStabilizationTime": _STABLE}
                await self._ask(other, "PUT", "operator/autopilot/configuration", body)
            if found is not None:
                break
        self._away.discard(node.name)
        if await node.state(self._daemon) is ProcessState.DEAD:
            await self._start(cluster, node)
        while True:
            listed = await self.members(cluster)
            role = listed.roles.get(node.name) if listed is not None else None
            if role == VOTER:
                return
            await pause(end, node, f"is not a voter: it is {role or 'not listed'}")

    def check(self, node: Node) -> None:
        """Raise `Broken` for a node that was removed: started, it would join again by itself."""
        if node.name in self._away:
            raise Broken("no-member", f"{node.name} was removed from the cluster")

    def _present(self, cluster: Cluster, without: Sequence[str]) -> list[Node]:
        return [node for node in cluster.nodes if node.name not in {*without, *self._away}]

    async def _left(self, other: Node, node: Node) -> bool:
        """Whether a server knows that the node has left, or knows it no longer; one that is silent does not count."""
        found = await self._ask(other, "GET", "agent/members")
        return found is None or all(one["Status"] == _LEFT for one in found if one["Name"] == node.name)

    async def _ask(
        self,
        node: Node,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        timeout_s: float = _CALL_S,
    ) -> Any:
        """Return the decoded answer, an empty mapping where it has none, None where the server did not do it."""
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        try:
            async with (
                self._access().session(timeout=timeout) as http,
                http.request(method, f"{self._access().of(node)}/v1/{path}", json=body) as answer,
            ):
                said = await answer.read()
                if answer.status != _OK:
                    return None
                return msgspec.json.decode(said) if said.strip().startswith((b"{", b"[")) else {}
        except _SILENT:
            return None


def _host(address: str) -> str:
    return address.rpartition(":")[0]
