"""Workers: one task per thread that pulls operations, performs them and records how they ended."""

from __future__ import annotations

import abc
import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

from quorate.harness.core.outcome import Broken, OutcomeError, Reply
from quorate.harness.generators import Invocation
from quorate.harness.history.event import NEMESIS, Event, Type
from quorate.harness.run.runner.outcomes import ending_of
from quorate.harness.run.runner.recorder import Recorder
from quorate.harness.run.runner.records import Connection, Nemesis, OpenClient, Perform
from quorate.harness.run.runner.track import Track

_STREAK_MAX: Final = 64
_PACE_FIRST_S: Final = 0.05
_PACE_LAST_S: Final = 1.0


class Drive(Protocol):
    """What a worker needs of the drive that it works for (see `quorate.harness.run.runner.drive`)."""

    recorder: Recorder
    counts: Counter[str]
    latest: Worker | None  # who performed the last operation
    pinned: Callable[[int], str | None]

    def track_of(self, thread: int) -> Track:
        """Return the track that decides for the thread."""
        ...

    def ended(self, event: Event) -> None:
        """Take note of a completion."""
        ...

    def broke(self, error: Broken) -> None:
        """Stop the run with this error."""
        ...

    def left(self, worker: Worker) -> None:
        """Take note that a worker's task has ended."""
        ...

    def dispose(self, connection: Connection | None) -> None:
        """Close a client in the background."""
        ...


class Worker(abc.ABC):
    """What both kinds have in common.

    `busy_since_ns` is set while an operation or the opening of a client is on its way, `running` is the recorded
    invocation. An abandoned worker has been replaced: whatever its task still does goes unheard.
    """

    def __init__(self, engine: Drive, thread: int, timeout_ns: int) -> None:
        self.engine = engine
        self.thread = thread
        self.track = engine.track_of(thread)
        self.timeout_ns = timeout_ns
        self.abandoned = False
        self.busy_since_ns: int | None = None
        self.running: Event | None = None
        self.connection: Connection | None = None
        self.given: Invocation | None = None
        self.task: asyncio.Task[None] | None = None
        self._parked: asyncio.Future[None] | None = None

    def start(self) -> None:
        """Begin to work."""
        self.task = asyncio.get_running_loop().create_task(
            self._guarded(), name=f"quorate thread {self.thread}"
        )

    def give(self, invocation: Invocation) -> None:
        """Accept what the generator decided for this thread."""
        self.given = invocation
        if self._parked is not None and not self._parked.done():
            self._parked.set_result(None)

    async def _guarded(self) -> None:
        try:
            await self.work()
        except asyncio.CancelledError:
            return
        except Exception as error:  # noqa: BLE001 - the runner's own mistakes, or a journal that cannot be written
            if not self.abandoned:
                text = f"{type(error).__name__}: {error}"
                self.engine.broke(error if isinstance(error, Broken) else Broken("runner", text))
        finally:
            self.engine.left(self)

    @abc.abstractmethod
    async def work(self) -> None:
        """Pull and perform until there is no more."""

    async def pull(self) -> Invocation | None:
        """Return the next operation for this thread, or None at the end."""
        if self.track.done or self.abandoned:
            return None
        self.track.free(self.thread)
        if self.given is None and not self.track.done:
            self._parked = asyncio.get_running_loop().create_future()
            try:
                await self._parked
            finally:
                self._parked = None
        given, self.given = self.given, None
        return given


class ClientWorker(Worker):
    """Runs one logical client at a time: a client whose operation ended in `info` is replaced, with a new process."""

    def __init__(
        self, engine: Drive, thread: int, timeout_ns: int, perform: Perform, open_client: OpenClient
    ) -> None:
        super().__init__(engine, thread, timeout_ns)
        self._perform = perform
        self._open_client = open_client
        self.refusals = 0
        self.no_client: list[str] | None = None

    async def work(self) -> None:
        """Open a client where there is none, pull, perform, record."""
        engine, streak = self.engine, 0
        while True:
            if self.connection is None and self.no_client is None:
                await self._open()
            invocation = await self.pull()
            if invocation is None:
                return
            connection = self.connection
            if connection is None:
                await self._fail_without_client(invocation)
            else:
                await self._do(connection, invocation)
            if self.abandoned:
                return
            if engine.latest is self:
                # No other task ran meanwhile: a client that never waits must not keep the loop from the others.
                streak += 1
                if streak >= _STREAK_MAX:
                    streak = 0
                    await asyncio.sleep(0)
            engine.latest = self

    async def _do(self, connection: Connection, invocation: Invocation) -> None:
        """Perform one operation and record both its ends."""
        recorder = self.engine.recorder
        self.running = begun = recorder.invoke(recorder.processes[self.thread], invocation, connection.node)
        self.busy_since_ns = begun.time
        try:
            reply = await self._perform(connection.client, invocation)
        except (Exception, asyncio.CancelledError, SystemExit) as error:  # noqa: BLE001 - every end of an operation is an event
            if not self.abandoned:
                self._ended_badly(error, invocation, begun)
            return
        if not self.abandoned:
            self._ended_well(reply, begun)

    def _ended_well(self, reply: Reply, begun: Event) -> None:
        self.running = self.busy_since_ns = None
        note = None if reply.evidence is None else ["evidence", reply.evidence]
        event = self.engine.recorder.complete(
            begun,
            "ok",
            reply.value,
            node=reply.member,
            session=reply.session,
            version=reply.version,
            error=note,
        )
        self.refusals = 0
        self.engine.ended(event)

    def _ended_badly(self, error: BaseException, invocation: Invocation, begun: Event) -> None:
        self.running = self.busy_since_ns = None
        client = type(self.connection.client).__name__ if self.connection else "the client"
        ending = ending_of(error, invocation, client)
        event = self.engine.recorder.complete(
            begun, ending.type, ending.value, version=ending.version, error=ending.error
        )
        if ending.type == Type.INFO:
            self.engine.dispose(self.connection)
            self.connection = None
        self.engine.ended(event)
        if ending.stops is not None:
            self.engine.broke(ending.stops)

    async def _open(self) -> None:
        """Open a client within the deadline, or remember why not."""
        engine = self.engine
        process = engine.recorder.use(self.thread)
        self.busy_since_ns = engine.recorder.now_ns()
        try:
            connection = await self._open_client(self.thread, process)
        except Broken as error:
            self.no_client = [error.code, error.text]
            engine.broke(error)
        except OutcomeError as error:
            self.no_client = [error.code, error.text]
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a client library may raise anything; named in the history
            self.no_client = [type(error).__name__, str(error)]
        else:
            if self.abandoned:
                engine.dispose(connection)
                return
            self.connection = connection
        self.busy_since_ns = None

    async def _fail_without_client(self, invocation: Invocation) -> None:
        """Record a definite failure, and wait before the next attempt: a dead node must not make a hot loop."""
        engine, cause = self.engine, self.no_client or ["", ""]
        self.no_client = None
        node = engine.pinned(self.thread)
        begun = engine.recorder.invoke(engine.recorder.processes[self.thread], invocation, node)
        text = ": ".join(part for part in cause if part)
        event = engine.recorder.complete(begun, Type.FAIL, None, error=["no-client", text])
        engine.counts["no_client"] += 1
        engine.ended(event)
        pace_s = min(_PACE_LAST_S, _PACE_FIRST_S * 2 ** min(self.refusals, 10))
        self.refusals += 1
        await asyncio.sleep(pace_s)


class NemesisWorker(Worker):
    """Performs faults; its process is "nemesis" and is never retired."""

    def __init__(self, engine: Drive, thread: int, nemesis: Nemesis) -> None:
        super().__init__(engine, thread, round(nemesis.timeout_s * 1e9))
        self._act = nemesis.act

    async def work(self) -> None:
        """Pull, act, record."""
        engine = self.engine
        while (invocation := await self.pull()) is not None:
            self.running = begun = engine.recorder.invoke(NEMESIS, invocation, None)
            self.busy_since_ns = begun.time
            stops = None
            try:
                outcome = await self._act(invocation)
            except (Exception, asyncio.CancelledError, SystemExit) as error:  # noqa: BLE001 - every end is an event
                if self.abandoned:
                    return
                ending = ending_of(error, invocation, "the nemesis")
                kind, value, text, stops = ending.type, ending.value, ending.error, ending.stops
            else:
                if self.abandoned:
                    return
                kind, value, text = outcome.type, outcome.value, outcome.error or []
            self.running = self.busy_since_ns = None
            engine.ended(engine.recorder.complete(begun, kind, value, error=text or None))
            if stops is not None:
                engine.broke(stops)
