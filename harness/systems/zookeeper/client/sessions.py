"""Sessions that a test keeps, drops or resumes on another server, and the nodes that live and die with them."""

from __future__ import annotations

from typing import Any

from kazoo.protocol.serialization import Create, Delete, Exists

from quorate.harness.core.outcome import Refused, Reply
from quorate.harness.systems.values import encode
from quorate.harness.systems.zookeeper.client.caller import EPHEMERAL, Caller
from quorate.harness.systems.zookeeper.client.connection import Session
from quorate.harness.systems.zookeeper.client.records import CreateContainer, CreateTTL


class SessionCalls(Caller):
    """The session of this client, and nodes by their literal path."""

    @property
    def session(self) -> Session:
        """The session as last agreed on; id 0 before the first operation."""
        return self._link.session if self._link is not None else self._session

    async def connect(self) -> Reply:
        """Open the session, or resume it; the value is its time to live in ms."""
        async with self.operation("connect") as link:
            return self.reply(link, link.session.timeout_ms)

    def drop(self) -> Session:
        """Break the connection and leave the session to its time-out, as a crashed client does; return it."""
        self._park()
        return self._session

    def resume(self, session: Session, member: str | None = None) -> None:
        """Resume a session, the client's own or a dropped one, on another server if named: at the next operation."""
        self._park()
        self._session = session
        if member is not None:
            self._at = self._members.index(member)

    async def create_node(self, node: str, value: Any = None, *, ephemeral: bool = False) -> Reply:
        """Create a node; `Refused("exists")` where there is one. The version is the zxid that created it."""
        async with self.operation("create") as link:
            answer = await self.create(link, node, value, EPHEMERAL if ephemeral else 0)
            return self.reply(link, answer.value, answer.zxid)

    async def create_container(self, node: str) -> Reply:
        """Create a container: removed by the servers when its last child has gone (from 3.5 on)."""
        async with self.operation("create container") as link:
            answer = await link.request(CreateContainer(node, b""))
            return self.reply(link, answer.value, answer.zxid)

    async def create_with_ttl(self, node: str, value: Any, ttl_ms: int) -> Reply:
        """Create a node that is removed when it was not written for that long (from 3.5 on)."""
        async with self.operation("create with ttl") as link:
            answer = await link.request(CreateTTL(node, encode(value), ttl_ms))
            return self.reply(link, answer.value, answer.zxid)

    async def create_raw(self, node: str, data: bytes) -> Reply:
        """Create a node with these very bytes and existing parents."""
        async with self.operation("create") as link:
            answer = await link.request(Create(node, data, self.options.access.acl, 0))
            return self.reply(link, answer.value, answer.zxid)

    async def delete_node(self, node: str, version: int = -1) -> Reply:
        """Delete a node, of this version if one is given."""
        async with self.operation("delete") as link:
            answer = await link.request(Delete(node, version))
            return self.reply(link, None, answer.zxid)

    async def exists(self, node: str) -> Reply:
        """The value is the node's stat as a mapping, None where there is none; as this server knows it."""
        async with self.operation("exists") as link:
            try:
                answer = await link.request(Exists(node, False))
            except Refused as error:
                if error.code != "not-found":
                    raise
                return self.reply(link, None)
            return self.reply(link, answer.value._asdict(), answer.value.mzxid)
