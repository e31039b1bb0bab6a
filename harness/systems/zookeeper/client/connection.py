"""One connection to one server, with one session: explicit states, requests in order, no reconnection by itself.

The codec's records are kazoo's (`kazoo.protocol.serialization`); states, deadlines and what is certain are ours. A
request that was never written is distinguished from one whose reply was lost: kazoo reports both as ConnectionLoss.

A request that its caller gives up on leaves the connection usable: replies come in the order of requests, so the late
reply is recognised and dropped. A server that says nothing at all for two thirds of the session's time to live, pings
unanswered, is given up: that is when ZooKeeper's own client looks for another one.
"""

from __future__ import annotations

import asyncio
import collections
import struct
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

import msgspec
from kazoo.protocol.serialization import Auth, CloseInstance, Connect, PingInstance, Watch

from quorate.harness.core.outcome import Broken, Refused
from quorate.harness.systems.zookeeper.client import outcomes
from quorate.harness.systems.zookeeper.client.records import WRITES, outside

_LENGTH: Final = struct.Struct("!i")
_HEADER: Final = struct.Struct("!ii")
_REPLY: Final = struct.Struct("!iqi")
_FRAME_MAX: Final = 64 << 20
_WATCH_XID, _PING_XID, _AUTH_XID = -1, -2, -4
_NO_PASSWORD: Final = b"\0" * 16
_PINGS: Final = (
    8  # in a session's time to live: an expiry then follows the last sign of life by almost all of it
)
_SILENCE: Final = 2 / 3  # of it, after which a server is given up
_EVENTS_MAX: Final = 100_000
_NEVER: Final = float("inf")


class State(StrEnum):
    """Where a connection stands; it only moves forward."""

    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"  # the link is gone; the session may live on and can be resumed on another connection
    EXPIRED = "expired"  # the server said that the session is over
    CLOSED = "closed"


class Session(msgspec.Struct, frozen=True):
    """What resumes a session on another connection: id, password and the time to live agreed on, in ms."""

    id: int = 0
    password: bytes = _NO_PASSWORD
    timeout_ms: int = 5000

    @property
    def name(self) -> str:
        """The id as servers log it."""
        return f"0x{self.id & (1 << 64) - 1:x}"


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A reply: what it holds, and the zxid of the server's state when it answered."""

    value: Any
    zxid: int


class Notice(msgspec.Struct, frozen=True):
    """A watch event as the server sent it: kind 1 created, 2 deleted, 3 data changed, 4 children changed."""

    kind: int
    path: str


class Heard(msgspec.Struct, frozen=True, gc=False):
    """One message of the server: the answer to the request `record`, with its error number, or a notice.

    `zxid` is that of the server's state when it answered. Of a notice it is that of the change, from 3.9 on; else None.
    """

    record: Any
    zxid: int | None
    err: int = 0
    value: Any = None


class Link(asyncio.Protocol):
    """The protocol object of one connection; use `access.open_link`.

    `tap`, where set, is given every answer and every notice in the order of the connection; notices then go nowhere
    else.

    `fence`, where set, is the node below which all requests keep.

    `writes` counts requests sent that change the tree. `deadline` is when requests that wait end with `TimeoutError`,
    on the loop's clock: one for all, since a logical client does one operation at a time. That costs a timer in a
    deadline's time, not one for each request.
    """

    def __init__(self, session: Session, last_zxid: int) -> None:
        self.state = State.CONNECTING
        self.session = session
        self.name = session.name
        self.last_zxid = last_zxid
        self.why = "not connected yet"
        self.writes = 0
        self.deadline = _NEVER
        self.fence: str | None = None
        self.tap: Callable[[Heard], None] | None = None
        self.notices: asyncio.Queue[Notice | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._waiting: collections.deque[tuple[int, Any, asyncio.Future[Answered]]] = collections.deque()
        self._buffer = b""
        self._xid = 0
        self._transport: asyncio.Transport | None = None
        self._pinger: asyncio.TimerHandle | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the session."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        session = self.session
        asked = Connect(0, self.last_zxid, session.timeout_ms, session.id, session.password, False)
        self._write(bytes(asked.serialize()))

    def data_received(self, data: bytes) -> None:
        """Cut frames out of the stream."""
        self._heard_at = self._loop.time()
        buffer = self._buffer + data if self._buffer else data
        start, size = 0, len(buffer)
        while size - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if not 0 <= length <= _FRAME_MAX:
                self._end(State.LOST, f"a frame of {length} bytes is none")
                return
            end = start + _LENGTH.size + length
            if size < end:
                break
            self._frame(buffer[start + _LENGTH.size : end])
            start = end
        self._buffer = buffer[start:]

    def eof_received(self) -> None:
        """The server has said its last word, so nothing sent will be answered.

        asyncio by itself would first try to send what it still holds, and a server that has closed its side may never
        take that: it closes on a request that is too large, before having read it.
        """
        self._end(State.LOST, "the server closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        """Everything sent and not answered is open now."""
        self._end(State.LOST, str(exc) if exc else "the server closed the connection")

    async def ready(self) -> None:
        """Wait until the session stands; raise `Refused` where it does not come about: nothing was asked yet."""
        await self._ready

    def request(self, record: Any) -> asyncio.Future[Answered]:
        """Send a request; the future ends with its reply, or with `Refused` or `Unknown`."""
        if self.state is not State.LIVE:
            raise outcomes.not_connected(f"{self.state}: {self.why}")
        if self.fence is not None and (node := outside(record, self.fence)) is not None:
            raise Broken("outside", f"{node} is not below {self.fence}: it was not asked for")
        kind = record.type
        self.writes += kind in WRITES
        self._xid = xid = self._xid + 1
        future: asyncio.Future[Answered] = self._loop.create_future()
        self._waiting.append((xid, record, future))
        self._write(_HEADER.pack(xid, kind) + record.serialize())
        if self._timer is None and self.deadline < _NEVER:
            self._timer = self._loop.call_at(self.deadline, self._expire)
        return future

    def introduce(self, scheme: str, credentials: str) -> None:
        """Say who the session is, before what is asked next; a server that does not believe it ends the connection."""
        if self.state is State.LIVE:
            record = Auth(0, scheme, credentials)
            self._write(_HEADER.pack(_AUTH_XID, record.type) + record.serialize())

    def _expire(self) -> None:
        """End what waits past the deadline; where the deadline has moved on meanwhile, come again."""
        self._timer = None
        open_ = [future for _, _, future in self._waiting if not future.done()]
        if not open_:
            return
        if self._loop.time() < self.deadline:
            self._timer = self._loop.call_at(self.deadline, self._expire)
            return
        for future in open_:
            future.set_exception(TimeoutError())
            future.exception()

    def close(self, *, end_session: bool) -> None:
        """Leave; with `end_session` the server is asked to end the session, else it lives on until it times out."""
        if self.state is State.LIVE and end_session:
            self._xid += 1
            self._write(_HEADER.pack(self._xid, CloseInstance.type))
        self._end(State.CLOSED, "closed by this client")

    def _write(self, payload: bytes) -> None:
        assert self._transport is not None
        self._transport.write(_LENGTH.pack(len(payload)) + payload)

    def _frame(self, frame: bytes) -> None:
        if self.state is not State.LIVE:
            if self.state is State.CONNECTING:
                self._connected(frame)
            return
        xid, zxid, err = _REPLY.unpack_from(frame)
        if xid >= 0:
            self._reply(xid, zxid, err, frame)
        elif xid == _WATCH_XID:
            self._notice(zxid, frame)

    def _notice(self, zxid: int, frame: bytes) -> None:
        watch, _ = Watch.deserialize(frame, _REPLY.size)
        if self.tap is not None:
            self.tap(Heard(Notice(watch.type, watch.path), zxid if zxid > 0 else None))
        elif self.notices.qsize() >= _EVENTS_MAX:
            # Silently losing an event would look like the server's fault.
            self._end(State.LOST, f"{_EVENTS_MAX} watch events were not read")
        elif watch.type > 0:  # below are changes of the connection's state
            self.notices.put_nowait(Notice(watch.type, watch.path))

    def _connected(self, frame: bytes) -> None:
        answer, _ = Connect.deserialize(frame, 0)
        if answer.time_out <= 0:
            self._end(State.EXPIRED, "the session has expired")
            return
        self.session = Session(answer.session_id, answer.passwd, answer.time_out)
        self.name = self.session.name
        self.state = State.LIVE
        self._schedule_ping()
        if not self._ready.done():
            self._ready.set_result(None)

    def _reply(self, xid: int, zxid: int, err: int, frame: bytes) -> None:
        if not self._waiting or self._waiting[0][0] != xid:
            self._end(State.LOST, f"a reply to request {xid}, which was not next")
            return
        _, record, future = self._waiting.popleft()
        if zxid > 0:
            self.last_zxid = zxid
        if not future.done():  # else its caller has given up on it
            value = None if err else record.deserialize(frame, _REPLY.size)
            if self.tap is not None:
                self.tap(Heard(record, zxid, err, value))
            if err:
                future.set_exception(outcomes.outcome_of(err, type(record).__name__))
            else:
                future.set_result(Answered(value, zxid))
        if err == outcomes.EXPIRED:
            self._end(State.EXPIRED, "the session has expired")
        elif err == outcomes.MOVED:
            self._end(State.LOST, "the session lives on another server by now")

    def _schedule_ping(self) -> None:
        self._pinger = self._loop.call_later(self.session.timeout_ms / 1000 / _PINGS, self._ping)

    def _ping(self) -> None:
        if self.state is not State.LIVE:
            return
        silent_s = self._loop.time() - self._heard_at
        if silent_s > self.session.timeout_ms / 1000 * _SILENCE:
            self._end(State.LOST, f"the server has said nothing for {silent_s:.1f} s")
            return
        self._write(_HEADER.pack(_PING_XID, PingInstance.type))
        self._schedule_ping()

    def _end(self, state: State, why: str) -> None:
        if self.state in {State.LOST, State.EXPIRED, State.CLOSED}:
            return
        self.state, self.why = state, why
        for timer in (self._pinger, self._timer):
            if timer is not None:
                timer.cancel()
        if not self._ready.done():
            code = "session-expired" if state is State.EXPIRED else "not-connected"
            self._ready.set_exception(Refused(code, why))
            # No caller may be waiting any more: then the next request reports the reason.
            self._ready.exception()
        while self._waiting:
            _, record, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(outcomes.lost(type(record).__name__, why))
                # Of requests sent together only the first is awaited when it fails.
                future.exception()
        self.notices.put_nowait(None)
        if self._transport is not None:
            if state is State.CLOSED:
                self._transport.close()  # the goodbye is sent first
            else:
                self._transport.abort()
