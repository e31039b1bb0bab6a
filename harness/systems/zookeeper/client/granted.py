"""Ephemeral nodes, each with a session: made, kept alive by hand, closed, and read all at once.

Every session has a connection without pings. A renewal is a `sync`: the server asked takes note of the session at
once, the leader confirms that it lives, and learns of the renewal itself with its next ping to that server.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import msgspec
from kazoo.exceptions import NoNodeError
from kazoo.protocol.serialization import Create, Sync, Transaction

from quorate.harness.core.capabilities import together
from quorate.harness.core.outcome import ANSWERED, OutcomeError, Refused, Reply, Unknown
from quorate.harness.systems.values import encode
from quorate.harness.systems.zookeeper.client import outcomes
from quorate.harness.systems.zookeeper.client.access import open_link
from quorate.harness.systems.zookeeper.client.caller import EPHEMERAL, Caller
from quorate.harness.systems.zookeeper.client.connection import Answered, Link, Session, State
from quorate.harness.systems.zookeeper.client.transactions import rolled_back


class CloseSession(msgspec.Struct, frozen=True):
    """End the session, its ephemeral nodes with it, and wait for the answer."""

    type: ClassVar[int] = -11

    def serialize(self) -> bytes:
        """Nothing but the header."""
        return b""

    @staticmethod
    def deserialize(_frame: bytes, _offset: int) -> None:
        """Success carries nothing."""


class MortalLink(Link):
    """A connection that keeps nothing alive by itself."""

    def _schedule_ping(self) -> None:
        """Send no pings."""


class GrantedCalls(Caller):
    """Documented: a session ends when the leader has heard of it from no server for its time to live.

    A server passes on what it heard with the leader's pings, and serves at most `syncLimit` ticks without one; that is
    how old an acknowledged renewal may be that the leader does not know.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._mortals: dict[int, Link] = {}

    async def grant_key(self, space: str, name: str, ttl_s: float, beside: int = 0) -> Reply:
        """Open a session, then create the ephemeral nodes; a session without nodes shows in no history."""
        deadline = self._deadline()
        try:
            link = await self._mortal(Session(timeout_ms=round(ttl_s * 1000)), deadline)
        except OutcomeError as error:
            raise Refused("no-session", str(error)) from error
        session = link.session
        self._mortals[session.id] = link
        nodes = [self._node(space, one) for one in together(name, beside)]
        making = (
            self._all_or_none(link, nodes) if beside else self.create(link, nodes[0], self.name, EPHEMERAL)
        )
        answer = await self._answered(link, making, "create")
        told = {"sooner_ms": 0, "later_ms": 0, "relay_ms": self.options.sync_ms}
        handle = [session.id, session.password.hex(), session.timeout_ms]
        value = {"lease": handle, "ttl_ms": session.timeout_ms, **told}
        return Reply(value, answer.zxid, self.member, session.name)

    async def _all_or_none(self, link: Link, nodes: list[str]) -> Answered:
        """Create ephemeral nodes in one transaction; their parent is made first where it is missing."""
        acl = self.options.access.acl
        creates = [Create(node, encode(self.name), acl, EPHEMERAL) for node in nodes]
        answer = await link.request(Transaction(creates))
        if isinstance(reason := rolled_back(answer), NoNodeError):
            await self.make_parents(link, nodes[0])
            answer = await link.request(Transaction(creates))
            reason = rolled_back(answer)
        if reason is not None:
            raise Refused("conflict", type(reason).__name__, answer=ANSWERED)
        return answer

    async def renew_key(self, space: str, name: str, lease: list[Any]) -> Reply:
        """Let the leader confirm the session, over its connection or, where that is lost, a new one."""
        answer = await self._ask(lease, Sync(self._node(space, name)), "renew")
        return Reply(None, answer.zxid, self.member)

    async def revoke_key(self, space: str, name: str, lease: list[Any]) -> Reply:
        """Close the session."""
        del space, name
        answer = await self._ask(lease, CloseSession(), "close")
        self._drop(lease[0])
        return Reply(None, answer.zxid, self.member)

    async def granted_keys(self, space: str) -> Reply:
        """List the nodes after a `sync`, whatever the read mode is; the zxid's upper half is the leader's term."""
        async with self.operation("granted keys") as link:
            names, _ = await self.children(link, self.path("granted", space), fresh=True)
            zxid = link.last_zxid
            return self.reply(link, {"names": sorted(names), "term": zxid >> 32}, zxid)

    async def close(self) -> None:
        """Break the connections; their sessions live on until they time out, as after a crash."""
        for number in list(self._mortals):
            self._drop(number)
        await super().close()

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self.timeout_s

    async def _ask(self, lease: list[Any], request: Any, what: str) -> Answered:
        deadline = self._deadline()
        number, password, timeout_ms = lease
        try:
            link = self._mortals.get(number)
            if link is None or link.state is not State.LIVE:
                session = Session(number, bytes.fromhex(password), timeout_ms)
                self._mortals[number] = link = await self._mortal(session, deadline)
            link.deadline = deadline
            return await self._answered(link, link.request(request), what)
        except Refused as error:
            if error.code == "session-expired":
                self._drop(number)
                raise Refused("lease-gone", error.text, answer=ANSWERED) from error
            raise
        except Unknown:
            self._drop(number)
            raise

    async def _mortal(self, session: Session, deadline: float) -> Link:
        """Open or resume a session; whatever ends in between has renewed it at most."""
        address = self._addresses[self._at]
        try:
            async with asyncio.timeout_at(deadline):
                link = await open_link(address, session, kind=MortalLink, access=self.options.access)
        except TimeoutError:
            self.move_on()
            raise outcomes.not_connected("no session in time") from None
        except Refused as error:
            if error.code == "not-connected":
                self.move_on()
            raise
        link.deadline = deadline
        return link

    async def _answered(self, link: Link, answer: Any, what: str) -> Answered:
        try:
            answered: Answered = await answer
        except TimeoutError:
            self.move_on()
            self._drop(link.session.id)
            raise outcomes.timeout(what) from None
        return answered

    def _node(self, space: str, name: str) -> str:
        return f"{self.path('granted', space)}/{name.replace('/', '+')}"

    def _drop(self, number: int) -> None:
        link = self._mortals.pop(number, None)
        if link is not None:
            link.close(end_session=False)
