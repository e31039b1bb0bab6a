"""How each member describes itself, asked with short deadlines, all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from quorate.harness.core.node import Node
from quorate.harness.core.outcome import OutcomeError
from quorate.harness.core.system import NodeStatus
from quorate.harness.systems.etcd.client.connection import Connection
from quorate.harness.systems.etcd.protocol import pb

PROBE_S: Final = 0.3
_ASK: Final = pb.StatusRequest()
# A key that is never written: a linearizable read of it needs a leader and a quorum.
_READ: Final = pb.RangeRequest(key=b"/quorate/ready")


class Health:
    """Keeps one connection to each member for the questions of the harness, made by `connect`."""

    def __init__(self, connect: Callable[[Node], Connection]) -> None:
        self._connect = connect
        self._connections: dict[str, Connection] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def connection(self, node: Node) -> Connection:
        """The harness's own connection to a node, made on first use in this event loop."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._connections, self._loop = {}, loop
        known = self._connections.get(node.name)
        if known is None:
            known = self._connections[node.name] = self._connect(node)
        return known

    async def status(self, nodes: Sequence[Node]) -> list[NodeStatus]:
        """What every node says within 300 ms; a silent one is unhealthy and its error says why."""
        return list(await asyncio.gather(*(self._status(node) for node in nodes)))

    async def reads(self, nodes: Sequence[Node]) -> list[str]:
        """Why nodes do not answer a linearizable read within 300 ms: one sentence each, empty if all do."""

        async def read(node: Node) -> str:
            try:
                await self.connection(node).call("Range", _READ, _deadline())
            except OutcomeError as error:
                return f"{node.name}: {error}"
            return ""

        return [why for why in await asyncio.gather(*(read(node) for node in nodes)) if why]

    async def close(self) -> None:
        """Close all connections."""
        connections, self._connections = self._connections, {}
        await asyncio.gather(*(connection.close() for connection in connections.values()))

    async def _status(self, node: Node) -> NodeStatus:
        try:
            said = await self.connection(node).call("Status", _ASK, _deadline())
        except OutcomeError as error:
            return NodeStatus(node.name, healthy=False, error=str(error))
        return describe(node.name, said)


def describe(node: str, said: Any) -> NodeStatus:
    """Turn a status reply into a record. Alarms (no space, corruption) and having no leader are unhealthy."""
    if said.isLearner:
        role = "learner"
    elif said.leader == 0:
        role = "unknown"
    else:
        role = "leader" if said.leader == said.header.member_id else "follower"
    errors = list(said.errors) or (["no leader"] if said.leader == 0 else [])
    return NodeStatus(
        node,
        healthy=not errors,
        role=role,
        term=said.raftTerm or None,
        # Releases before 3.4 do not report the applied index; the raft index is what they have.
        applied=(said.raftAppliedIndex or said.raftIndex) or None,
        version=said.version,
        error="; ".join(errors) or None,
    )


def _deadline() -> float:
    return asyncio.get_running_loop().time() + PROBE_S
