"""One connection to one server, with one session: explicit states, requests in order, no reconnection by itself.

The codec's records are kazoo's (`kazoo.protocol.serialization`); states, deadlines and what is certain are ours. A
request that was never written is told apart from one whose reply was lost: kazoo reports both as ConnectionLoss.
"""

from __future__ import annotations

import asyncio
import collections
import struct
from enum import StrEnum
from typing import Any, Final

import msgspec
from kazoo.protocol.serialization import CloseInstance, Connect, PingInstance, ReplyHeader, Watch

from harness.outcome import Refused
from harness.systems.zookeeper import outcomes

_LENGTH: Final = struct.Struct("!i")
_HEADER: Final = struct.Struct("!ii")
_FRAME_MAX: Final = 64 << 20
_WATCH_XID, _PING_XID = -1, -2
_NO_PASSWORD: Final = b"\0" * 16


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


class Answered(msgspec.Struct, frozen=True):
    """A reply: what it holds, and the zxid of the server's state when it answered."""

    value: Any
    zxid: int


class Link(asyncio.Protocol):
    """The protocol object of one connection; use `open_link`."""

    def __init__(self, session: Session, last_zxid: int) -> None:
        loop = asyncio.get_running_loop()
        self.state = State.CONNECTING
        self.session = session
        self.last_zxid = last_zxid
        self.why = "not connected yet"
        self.watches: asyncio.Queue[tuple[int, int, str]] = asyncio.Queue(maxsize=100_000)
        self._ready: asyncio.Future[None] = loop.create_future()
        self._waiting: collections.deque[tuple[int, Any, asyncio.Future[Answered]]] = collections.deque()
        self._buffer = bytearray()
        self._xid = 0
        self._transport: asyncio.Transport | None = None
        self._pinger: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the session."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        session = self.session
        self._write(
            Connect(0, self.last_zxid, session.timeout_ms, session.id, session.password, False).serialize()
        )

    def data_received(self, data: bytes) -> None:
        """Cut frames out of the stream."""
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if not 0 <= length <= _FRAME_MAX:
                self._end(State.LOST, f"a frame of {length} bytes is none")
                return
            if len(buffer) - start < _LENGTH.size + length:
                break
            frame = bytes(buffer[start + _LENGTH.size : start + _LENGTH.size + length])
            start += _LENGTH.size + length
            self._frame(frame)
        del buffer[:start]

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
        self._xid += 1
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting.append((self._xid, record, future))
        self._write(_HEADER.pack(self._xid, record.type) + record.serialize())
        return future

    def close(self, *, end_session: bool) -> None:
        """Leave; with `end_session` the server is told to end the session, else it lives on until it times out."""
        if self.state is State.LIVE and end_session:
            self._xid += 1
            self._write(_HEADER.pack(self._xid, CloseInstance.type))
        self._end(State.CLOSED, "closed by this client")

    def _write(self, payload: bytes | bytearray) -> None:
        assert self._transport is not None
        self._transport.write(_LENGTH.pack(len(payload)) + bytes(payload))

    def _frame(self, frame: bytes) -> None:
        if self.state is State.CONNECTING:
            self._connected(frame)
            return
        header, offset = ReplyHeader.deserialize(frame, 0)
        if header.xid == _PING_XID:
            return
        if header.xid == _WATCH_XID:
            watch, _ = Watch.deserialize(frame, offset)
            if not self.watches.full():
                self.watches.put_nowait((watch.type, watch.state, watch.path))
            return
        self._reply(header, frame, offset)

    def _connected(self, frame: bytes) -> None:
        answer, _ = Connect.deserialize(frame, 0)
        if answer.time_out <= 0:
            self._end(State.EXPIRED, "the session has expired")
            return
        self.session = Session(answer.session_id, answer.passwd, answer.time_out)
        self.state = State.LIVE
        self._schedule_ping()
        if not self._ready.done():
            self._ready.set_result(None)

    def _reply(self, header: Any, frame: bytes, offset: int) -> None:
        if not self._waiting or self._waiting[0][0] != header.xid:
            self._end(State.LOST, f"a reply to {header.xid}, which was not asked")
            return
        _, record, future = self._waiting.popleft()
        if header.zxid > 0:
            self.last_zxid = header.zxid
        if future.done():  # given up on by its deadline
            return
        if header.err:
            future.set_exception(outcomes.outcome_of(header.err, type(record).__name__))
        else:
            future.set_result(Answered(record.deserialize(frame, offset), header.zxid))

    def _schedule_ping(self) -> None:
        interval_s = self.session.timeout_ms / 3000
        self._pinger = asyncio.get_running_loop().call_later(interval_s, self._ping)

    def _ping(self) -> None:
        if self.state is State.LIVE:
            self._write(_HEADER.pack(_PING_XID, PingInstance.type))
            self._schedule_ping()

    def _end(self, state: State, why: str) -> None:
        if self.state in {State.LOST, State.EXPIRED, State.CLOSED}:
            return
        self.state, self.why = state, why
        if self._pinger is not None:
            self._pinger.cancel()
        if not self._ready.done():
            code = "session-expired" if state is State.EXPIRED else "not-connected"
            self._ready.set_exception(Refused(code, why))
            # Nobody may be waiting any more: then the reason is told by the next request.
            self._ready.exception()
        while self._waiting:
            _, record, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(outcomes.lost(type(record).__name__, why))
        if self._transport is not None:
            self._transport.close()


async def open_link(address: str, port: int, session: Session, last_zxid: int = 0) -> Link:
    """Connect, and get or resume the session; raise `Refused` where that fails. The caller keeps the deadline."""
    loop = asyncio.get_running_loop()
    try:
        transport, link = await loop.create_connection(lambda: Link(session, last_zxid), address, port)
    except OSError as error:
        raise outcomes.not_connected(f"{address}:{port}: {error.strerror or error}") from error
    try:
        await link.ready()
    except BaseException:
        transport.abort()
        raise
    return link
