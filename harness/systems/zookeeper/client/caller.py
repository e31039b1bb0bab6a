"""What every capability of the ZooKeeper client stands on: a session over one or several servers, and deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Literal, Self

import msgspec
from kazoo.protocol.serialization import Create, GetChildren2, GetData, Sync

from quorate.harness.core.outcome import Refused, Reply, Unknown
from quorate.harness.systems.values import Sizes, encode
from quorate.harness.systems.zookeeper.client import outcomes
from quorate.harness.systems.zookeeper.client.access import Access, open_link
from quorate.harness.systems.zookeeper.client.connection import Answered, Link, Session, State

EPHEMERAL, SEQUENCE = 1, 2
Reads = Literal["sync", "plain"]
_PAUSE_S: Final = 0.05


class ClientOptions(msgspec.Struct, frozen=True):
    """How a client reads, and how long its session outlives its connection, in ms.

    `sync_ms` is how long a server serves on without having heard from the leader (`syncLimit` ticks). `persistent` is
    whether the servers know persistent watches (3.6 on). `access` is how it is let in.
    """

    reads: Reads = "sync"
    session_ms: int = 15_000
    sync_ms: int = 2_000
    persistent: bool = True
    access: Access = Access()
    sizes: Sizes = Sizes()


class Operation:
    """One operation under the client's deadline: `async with client.operation("read") as link`.

    What was only read, or never sent, is `Refused` however it ends; what was sent and can change something is
    `Unknown` where no answer came.
    """

    __slots__ = ("_caller", "_link", "_what", "_writes")

    def __init__(self, caller: Caller, what: str) -> None:
        self._caller = caller
        self._what = what
        self._link: Link | None = None
        self._writes = 0

    async def __aenter__(self) -> Link:
        caller = self._caller
        deadline = asyncio.get_running_loop().time() + caller.timeout_s
        link = caller.link
        if link is None or link.state is not State.LIVE:
            try:
                async with asyncio.timeout_at(deadline):
                    link = await caller.live()
            except (TimeoutError, Refused) as error:
                await self._leave(error)
                raise
        link.deadline = deadline
        self._link = link
        self._writes = link.writes
        return link

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            await self._leave(error)

    async def _leave(self, error: BaseException) -> None:
        if isinstance(error, TimeoutError):
            self._caller.move_on()
            raise self._late() from None
        if isinstance(error, Unknown):
            self._caller.move_on()
            if not self._wrote():
                raise outcomes.unread(self._what, str(error)) from error
        elif isinstance(error, Refused) and error.code in _ELSEWHERE:
            self._caller.move_on()
        if isinstance(error, Refused) and error.code in _PAUSES:
            # A client whose server is dead, or does not let it in, must not spin.
            await asyncio.sleep(min(_PAUSE_S, self._caller.timeout_s))

    def _wrote(self) -> bool:
        return self._link is not None and self._link.writes > self._writes

    def _late(self) -> Refused | Unknown:
        if self._link is None:
            return outcomes.not_connected("no session in time")
        return (
            outcomes.timeout(self._what) if self._wrote() else outcomes.unread(self._what, "no reply in time")
        )


_ELSEWHERE: Final = frozenset({"not-connected", "session-expired", "session-moved"})
_PAUSES: Final = frozenset({"not-connected", outcomes.DENIED})


class Caller:
    """One logical client, one operation at a time.

    It connects at its first operation, and again after a loss: with the same session while that lives, with a fresh
    one where the server says that it has expired (every reply names its session). With several servers, it goes to
    the next one after a loss or a silence. A request is never sent twice.
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
    def link(self) -> Link | None:
        """The connection as it is, or None before the first operation."""
        return self._link

    def operation(self, what: str) -> Operation:
        """Begin an operation; `what` names it in errors."""
        return Operation(self, what)

    async def live(self) -> Link:
        """The link to use: as it is while it lives, else a new one with the old session if that lives."""
        link = self._link
        if link is not None and link.state is State.LIVE:
            return link
        self._park()
        try:
            self._link = await open_link(
                self._addresses[self._at], self._session, self._last_zxid, access=self.options.access
            )
        except Refused as error:
            if error.code == "session-expired":
                self._session = Session(timeout_ms=self.options.session_ms)
            raise
        return self._link

    def _park(self) -> None:
        """Give the link up and keep its session, unless that is over."""
        link, self._link = self._link, None
        if link is None:
            return
        expired = link.state is State.EXPIRED
        self._session = Session(timeout_ms=self.options.session_ms) if expired else link.session
        self._last_zxid = link.last_zxid
        link.close(end_session=False)

    def move_on(self) -> None:
        """Leave a server that does not answer for the next one. The only one is kept, and its link while it lives."""
        if len(self._addresses) > 1:
            self._park()
            self._at = (self._at + 1) % len(self._addresses)

    async def get(self, link: Link, path: str, *, fresh: bool | None = None) -> tuple[Any, Any]:
        """Read a node: value and stat, (None, None) where there is none; `fresh` overrules the read mode."""
        # Pipelined: the server answers in order, so the read sees what the sync brought.
        synced = self._sync(link, path, fresh)
        found = link.request(GetData(path, False))
        try:
            answer = await _both(synced, found)
        except Refused as error:
            if error.code == "not-found":
                return None, None
            raise
        data, stat = answer.value
        return decode(data), stat

    async def children(self, link: Link, path: str, *, fresh: bool | None = None) -> tuple[list[str], Any]:
        """List children and stat; nothing where the node does not exist; `fresh` overrules the read mode."""
        synced = self._sync(link, path, fresh)
        found = link.request(GetChildren2(path, False))
        try:
            answer = await _both(synced, found)
        except Refused as error:
            if error.code == "not-found":
                return [], None
            raise
        names, stat = answer.value
        return names, stat

    def _sync(self, link: Link, path: str, fresh: bool | None) -> asyncio.Future[Answered] | None:  # noqa: FBT001
        wanted = self.options.reads == "sync" if fresh is None else fresh
        return link.request(Sync(path)) if wanted else None

    def stored(self, value: Any, parts: int = 1) -> bytes:
        """A value of the workload as it is stored, as long as was asked for; `parts` values share a request."""
        return self.options.sizes.padded(encode(value), parts)

    async def create(self, link: Link, path: str, value: Any, flags: int = 0) -> Answered:
        """Create a node; its parents are made first where they are missing (that changes no promise)."""
        try:
            return await link.request(Create(path, self.stored(value), self.options.access.acl, flags))
        except Refused as error:
            if error.code != "not-found":
                raise
        await self.make_parents(link, path)
        return await link.request(Create(path, self.stored(value), self.options.access.acl, flags))

    async def make_parents(self, link: Link, path: str) -> None:
        """Create every node above the path that is missing."""
        parts = path.strip("/").split("/")[:-1]
        for depth in range(1, len(parts) + 1):
            try:
                await link.request(Create("/" + "/".join(parts[:depth]), b"", self.options.access.acl, 0))
            except Refused as error:
                if error.code != "exists":
                    raise

    def path(self, kind: str, key: str) -> str:
        """Return where a capability keeps a key."""
        return self.options.access.path(kind, key)

    def reply(self, link: Link, value: Any = None, version: int | None = None) -> Reply:
        """Make the reply of an operation; its version is the zxid that last changed what it is about."""
        return Reply(value, version, self.member, link.name)

    async def close(self) -> None:
        """End the session and the connection; never raises."""
        if self._link is not None:
            self._link.close(end_session=True)
            self._link = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()


async def _both(synced: asyncio.Future[Answered] | None, found: asyncio.Future[Answered]) -> Answered:
    """Wait for the sync, then for what was asked after it; give up the second where the first fails."""
    if synced is not None:
        try:
            await synced
        except BaseException:
            found.cancel()
            raise
    return await found


def decode(stored: bytes | None) -> Any:
    """The value that was stored; None for a node without data."""
    return msgspec.json.decode(stored) if stored else None
