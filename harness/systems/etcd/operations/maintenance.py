"""What operators do to etcd: hash, compact, defragment, move the leader, snapshots, alarms, members.

Each acts on one member, over the harness's own connections, and raises `Refused` or `Unknown` as a client does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc.aio
import msgspec

from quorate.harness.core.node import Node
from quorate.harness.core.system import NodeStatus
from quorate.harness.systems.etcd.client.connection import Connection
from quorate.harness.systems.etcd.client.outcomes import outcome_of
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.etcd.server.health import Health

_CALL_S = 5.0
_LONG_S = 60.0


class Member(msgspec.Struct, frozen=True):
    """A member of the cluster, as a member reports it; `name` is empty until it has started."""

    id: int
    name: str
    peer_urls: tuple[str, ...]
    learner: bool


class Hash(msgspec.Struct, frozen=True):
    """A member's hash of its keys up to `revision`; equal revisions after equal compactions must hash alike."""

    hash: int
    revision: int
    compact_revision: int


class Maintenance:
    """Operators' actions on the members of one cluster."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def connection(self, node: Node) -> Connection:
        """The harness's own connection to the member on this node."""
        return self._health.connection(node)

    async def status(self, nodes: Sequence[Node]) -> list[NodeStatus]:
        """What every node says of itself; a silent one is unhealthy."""
        return await self._health.status(nodes)

    async def call(self, node: Node, method: str, request: Any, timeout_s: float = _CALL_S) -> Any:
        """Make one call to the member on this node."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        return await self._health.connection(node).call(method, request, deadline)

    async def hash_kv(self, node: Node, revision: int = 0) -> Hash:
        """Hash all keys at a revision (0: now)."""
        said = await self.call(node, "HashKV", pb.HashKVRequest(revision=revision))
        return Hash(said.hash, said.hash_revision or said.header.revision, said.compact_revision)

    async def compact(self, node: Node, revision: int, *, physical: bool = False) -> int:
        """Drop history before the revision; with `physical`, return only when it is gone from the disk."""
        request = pb.CompactionRequest(revision=revision, physical=physical)
        return int((await self.call(node, "Compact", request, _LONG_S)).header.revision)

    async def defragment(self, node: Node) -> None:
        """Rewrite the member's store; it answers no client meanwhile."""
        await self.call(node, "Defragment", pb.DefragmentRequest(), _LONG_S)

    async def move_leader(self, leader: Node, target: Node) -> None:
        """Let the leader hand over to another member."""
        ids = {member.name: member.id for member in await self.members(leader)}
        await self.call(leader, "MoveLeader", pb.MoveLeaderRequest(targetID=ids[target.name]))

    async def alarms(self, node: Node) -> list[str]:
        """The alarms that are on: `NOSPACE` and `CORRUPT`, by member id."""
        said = await self.call(node, "Alarm", pb.AlarmRequest(action=pb.AlarmRequest.GET))
        return [f"{each.memberID:x}: {pb.AlarmType.Name(each.alarm)}" for each in said.alarms]

    async def snapshot(self, node: Node, target: Path) -> int:
        """Stream the member's whole store into a file; return its size in bytes."""
        deadline = asyncio.get_running_loop().time() + _LONG_S
        connection = self._health.connection(node)
        await connection.ready(deadline)
        size = 0
        with target.open("wb", buffering=0) as file:  # what came before a cut is there
            try:
                metadata = await connection.metadata(asyncio.get_running_loop().time() + _LONG_S)
                stream = connection.stubs.Snapshot(pb.SnapshotRequest(), timeout=_LONG_S, metadata=metadata)
                async for part in stream:
                    size += file.write(part.blob)
            except grpc.aio.AioRpcError as error:
                raise outcome_of(error)[0] from None
        return size

    async def members(self, node: Node, *, linearizable: bool = True) -> list[Member]:
        """The members; releases before 3.5 always answer from what they have applied."""
        said = await self.call(node, "MemberList", pb.MemberListRequest(linearizable=linearizable))
        return [Member(each.ID, each.name, tuple(each.peerURLs), each.isLearner) for each in said.members]

    async def add(self, through: Node, peer_url: str, *, learner: bool) -> Member:
        """Announce a member that peers reach there; a learner does not vote until it is promoted (3.4 and later)."""
        request = pb.MemberAddRequest(peerURLs=[peer_url], isLearner=learner)
        said = (await self.call(through, "MemberAdd", request)).member
        return Member(said.ID, said.name, tuple(said.peerURLs), said.isLearner)

    async def promote(self, through: Node, member: int) -> None:
        """Make a learner a voter; `Refused("precondition")` until it has caught up."""
        await self.call(through, "MemberPromote", pb.MemberPromoteRequest(ID=member))

    async def remove(self, through: Node, member: int) -> None:
        """Take a member out of the cluster."""
        await self.call(through, "MemberRemove", pb.MemberRemoveRequest(ID=member))
