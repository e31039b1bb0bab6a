"""What every capability of the ZooKeeper client stands on: a session over one or several servers, and deadlines."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from kazoo.protocol.serialization import Create, GetData, Sync
from kazoo.security import OPEN_ACL_UNSAFE

from harness.outcome import Refused, Reply
from harness.systems.zookeeper import outcomes
from harness.systems.zookeeper.connection import Answered, Link, Session, State, open_link

PORT: Final = 2181
ROOT: Final = "/quorate"
EPHEMERAL, SEQUENCE = 1, 2
Reads = Literal["sync", "plain"]


class ClientOptions(msgspec.Struct, frozen=True):
    """How a client reads, and how long its session outlives its connection, in ms."""

    reads: Reads = "sync"
    session_ms: int = 5000


class Caller:
    """One logical client, one operation at a time.

    It connects at its first operation, and again after a loss: with the same session while that lives, with a fresh
    one where the server says that it has expired (every reply names its session). With several servers, it goes to
    the next one after a loss. A request is never sent twice.
    """

    def __init__(
        self, name: str, addresses: Mapping[str, str], timeout_s: float, options: ClientOptions
    ) -> None:
        self.name = name
        self.options = options
        self.timeout_s = timeout_s
        self._members = list(addresses)
        self._addresses = list(addresses.values())
        self._at = 0
        self._link: Link | None = None
        self._session = Session(timeout_ms=options.session_ms)
        self._last_zxid = 0

    @property
    def member(self) -> str:
        """The node that the next request goes to."""
        return self._members[self._at]

    @property
    def session(self) -> Session:
        """The session as last agreed on."""
        return self._link.session if self._link is not None else self._session

    @contextlib.asynccontextmanager
    async def operation(self, what: str) -> Any:
        """One operation under the client's deadline: the link to use for all its requests.

        A deadline that passes before anything was sent is `Refused`, later it is `Unknown`.
        """
        sent = False
        try:
            async with asyncio.timeout(self.timeout_s):
                link = await self._live()
                sent = True
                yield link
        except TimeoutError:
            self._move_on()
            raise (outcomes.timeout(what) if sent else outcomes.not_connected("no session in time")) from None
        except Refused as error:
            if error.code in {"not-connected", "session-expired"}:
                self._move_on()
            raise

    async def _live(self) -> Link:
        link = self._link
        if link is not None and link.state is State.LIVE:
            return link
        if link is not None:
            self._session, self._last_zxid = link.session, link.last_zxid
            expired = link.state is State.EXPIRED
            self._link = None
            if expired:
                self._session = Session(timeout_ms=self.options.session_ms)
        try:
            self._link = await open_link(self._addresses[self._at], PORT, self._session, self._last_zxid)
        except Refused as error:
            if error.code == "session-expired":
                self._session = Session(timeout_ms=self.options.session_ms)
            raise
        return self._link

    def _move_on(self) -> None:
        """Leave a server that does not answer; the session may be resumed on another one."""
        if self._link is not None and self._link.state is not State.LIVE:
            self._at = (self._at + 1) % len(self._addresses)
        elif len(self._addresses) > 1 and self._link is not None:
            self._session, self._last_zxid = self._link.session, self._link.last_zxid
            self._link.close(end_session=False)
            self._link = None
            self._at = (self._at + 1) % len(self._addresses)
        elif self._link is None:
            self._at = (self._at + 1) % len(self._addresses)

    async def get(self, link: Link, path: str) -> tuple[Any, Any]:
        """Read a node in the mode of the options: value and stat, (None, None) where there is none."""
        if self.options.reads == "sync":
            # Pipelined: the server answers in order, so the read sees what the sync brought.
            synced = link.request(Sync(path))
            found = link.request(GetData(path, False))
            try:
                await synced
            except BaseException:
                found.cancel()
                raise
        else:
            found = link.request(GetData(path, False))
        try:
            answer = await found
        except Refused as error:
            if error.code == "not-found":
                return None, None
            raise
        data, stat = answer.value
        return decode(data), stat

    async def create(self, link: Link, path: str, value: Any, flags: int = 0) -> Answered:
        """Create a node; its parent is made first where it is missing (a parent of its own changes no promise)."""
        try:
            return await link.request(Create(path, encode(value), OPEN_ACL_UNSAFE, flags))
        except Refused as error:
            if error.code != "not-found":
                raise
        await self._make_parents(link, path)
        return await link.request(Create(path, encode(value), OPEN_ACL_UNSAFE, flags))

    @staticmethod
    async def _make_parents(link: Link, path: str) -> None:
        parts = path.strip("/").split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            try:
                await link.request(Create("/" + "/".join(parts[:depth]), b"", OPEN_ACL_UNSAFE, 0))
            except Refused as error:
                if error.code != "exists":
                    raise

    def reply(self, link: Link, value: Any = None, version: int | None = None) -> Reply:
        """Make the reply of an operation; its version is the zxid that last changed what it is about."""
        return Reply(value, version, self.member, link.session.name)

    async def close(self) -> None:
        """End the session and the connection; never raises."""
        if self._link is not None:
            self._link.close(end_session=True)
            self._link = None

    def drop(self) -> None:
        """Break the connection and leave the session to its time out, as a crashed client does."""
        if self._link is not None:
            self._link.close(end_session=False)


def encode(value: Any) -> bytes:
    """A value as it is stored: JSON."""
    return msgspec.json.encode(value)


def decode(stored: bytes | None) -> Any:
    """The value that was stored; None for a node without data."""
    return msgspec.json.decode(stored) if stored else None


def path(kind: str, key: str) -> str:
    """Where a capability keeps a key."""
    return f"{ROOT}/{kind}/{key.replace('/', '+')}"
