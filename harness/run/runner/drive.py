"""Drive one phase of a run: from the first operation until the generator is exhausted, or time or patience is."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

from quorate.harness.core.outcome import Broken
from quorate.harness.generators import Context, Generator, Invocation
from quorate.harness.history.event import NEMESIS, Event
from quorate.harness.run.runner.lag import Lag
from quorate.harness.run.runner.recorder import Recorder
from quorate.harness.run.runner.records import Connection, DriveStats, Nemesis, OpenClient, Perform
from quorate.harness.run.runner.track import Track
from quorate.harness.run.runner.workers import ClientWorker, NemesisWorker, Worker

_BEAT_NS: Final = 10_000_000
_CLOSE_S: Final = 1.0


async def drive(
    operations: Generator,
    *,
    perform: Perform,
    open_client: OpenClient,
    recorder: Recorder,
    timeout_s: float,
    deadline_s: float,
    nemesis: Nemesis | None = None,
    stop: asyncio.Event | None = None,
    pinned: Callable[[int], str | None] = lambda _: None,
    margin_s: float = 0.25,
    grace_s: float = 1.0,
) -> DriveStats:
    """Run a generator's operations with `recorder.clients` logical clients, and record them.

    `perform(client, invocation)` does one operation; `open_client(thread, process)` opens a client, pinned or not.
    `pinned(thread)` names the node that an operation counts for where no client could be opened.
    An operation that has not ended `margin_s` after `timeout_s` (the client's own deadline) is recorded as `info`
    with code "timeout" and its client is abandoned, whether or not it heeds cancellation. The drive ends when the
    generators are exhausted and their operations have ended, at `stop`, or `deadline_s` after its begin; in the
    latter cases operations under way get `grace_s` and then end as `info`.

    Raises `Broken` where a client, the nemesis, a generator or the journal broke; what happened until then is
    recorded. All clients are closed when it returns.
    """
    engine = Engine(
        operations,
        recorder,
        nemesis,
        perform=perform,
        open_client=open_client,
        pinned=pinned,
        timeout_ns=round((timeout_s + margin_s) * 1e9),
    )
    return await engine.run(deadline_s, stop or asyncio.Event(), grace_s)


class Engine:
    """The moving parts of one drive; everything runs on one event loop, so nothing needs a lock."""

    def __init__(
        self,
        operations: Generator,
        recorder: Recorder,
        nemesis: Nemesis | None,
        *,
        perform: Perform,
        open_client: OpenClient,
        timeout_ns: int,
        pinned: Callable[[int], str | None] = lambda _: None,
    ) -> None:
        self.recorder = recorder
        self.pinned = pinned
        self.latest: Worker | None = None
        self.counts: Counter[str] = Counter()
        self._clients = recorder.clients
        self._nemesis = nemesis
        self._perform = perform
        self._open_client = open_client
        self._timeout_ns = timeout_ns
        self._error: Broken | None = None
        self._over = asyncio.Event()
        self._wake = asyncio.Event()
        self._lag = Lag()
        self._chores: set[asyncio.Task[None]] = set()
        self._beat: asyncio.TimerHandle | None = None
        self._scan_every = max(1, timeout_ns // 20 // _BEAT_NS)
        self._beats = 0
        self._tracks = self._make_tracks(operations)
        self._workers: list[Worker] = [
            self._worker(thread) for thread in range(self._clients + (nemesis is not None))
        ]
        self._live = len(self._workers)

    def _make_tracks(self, operations: Generator) -> list[Track]:
        clients = (1 << self._clients) - 1
        if self._nemesis is None:
            return [self._track(operations, clients)]
        if self._nemesis.generator is None:
            return [self._track(operations, clients | 1 << self._clients)]
        return [self._track(operations, clients), self._track(self._nemesis.generator, 1 << self._clients)]

    def _track(self, generator: Generator, threads: int) -> Track:
        recorder = self.recorder
        ctx = Context(
            time_ns=0, free=0, everyone=threads, processes=recorder.processes, clients=self._clients
        )  # fmt: skip
        return Track(
            generator,
            ctx,
            now_ns=recorder.now_ns,
            give=self._give,
            exhausted=self._exhausted,
            failed=self.broke,
        )

    def _worker(self, thread: int) -> Worker:
        if thread == self._clients:
            assert self._nemesis is not None
            return NemesisWorker(self, thread, self._nemesis)
        return ClientWorker(self, thread, self._timeout_ns, self._perform, self._open_client)

    def track_of(self, thread: int) -> Track:
        """Return the track that decides for the thread."""
        return self._tracks[-1] if thread == self._clients else self._tracks[0]

    async def run(self, deadline_s: float, stop: asyncio.Event, grace_s: float) -> DriveStats:
        """Work until the end, then leave nothing behind."""
        begin_ns = self.recorder.now_ns()
        loop = asyncio.get_running_loop()
        stopper = loop.create_task(self._stopped_by(stop))
        self._schedule_beat()
        ended = "exhausted"
        try:
            for worker in self._workers:
                worker.start()
            try:
                async with asyncio.timeout(deadline_s):
                    await self._wake.wait()
            except TimeoutError:
                ended = "deadline"
            if stop.is_set():
                ended = "stopped"
            await self._finish(grace_s, "deadline" if ended == "deadline" else "interrupted")
        finally:
            stopper.cancel()
            if self._beat is not None:
                self._beat.cancel()
            for track in self._tracks:
                track.end()
            stuck = await self._clear()
        if self._error is not None:
            raise self._error
        return self._stats((self.recorder.now_ns() - begin_ns) / 1e9, ended, stuck)

    async def _stopped_by(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._wake.set()

    async def _finish(self, grace_s: float, code: str) -> None:
        """End all tracks; give operations under way their grace, then record them as unknown."""
        for track in self._tracks:
            track.end()
        if not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._over.wait()
        for worker in self._workers:
            if worker.running is not None:
                self._abandon(worker, code, replace=False)

    async def _clear(self) -> int:
        """Cancel what is left, close all clients, and return how many tasks did not even heed that."""
        tasks = {worker.task for worker in self._workers if worker.task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_S)
        for worker in self._workers:
            self.dispose(worker.connection)
            worker.connection = None
        if self._chores:
            await asyncio.wait(set(self._chores), timeout=2 * _CLOSE_S)
        left = [task for task in tasks | self._chores if not task.done()]
        for task in left:
            task.cancel()
        return len(left)

    def ended(self, event: Event) -> None:
        """Count a completion and update the generators."""
        if event.process != NEMESIS:
            self.counts[event.type] += 1
        for track in self._tracks:
            if not track.done:
                track.update(event)

    def broke(self, error: Broken) -> None:
        """Stop the run with this error; the first one counts."""
        if self._error is None:
            self._error = error
        self._wake.set()

    def left(self, worker: Worker) -> None:
        """Take note that a worker's task has ended."""
        if not worker.abandoned:
            self._live -= 1
            if self._live == 0:
                self._over.set()
                self._wake.set()

    def dispose(self, connection: Connection | None) -> None:
        """Close a client in the background, within a second."""
        if connection is not None:
            self._chore(self._close(connection))

    async def _close(self, connection: Connection) -> None:
        # A client's close never raises by contract; one that does must not end the run.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_S):
                await connection.client.close()

    def _chore(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)

    def _give(self, thread: int, invocation: Invocation) -> None:
        self._workers[thread].give(invocation)

    def _exhausted(self, track: Track) -> None:
        """Send home those who wait for an operation of this track."""
        for worker in self._workers:
            idle = worker.running is None and worker.given is None
            if (
                worker.track is track
                and idle
                and worker.task is not None
                and worker.task is not asyncio.current_task()
            ):
                worker.task.cancel()

    def _schedule_beat(self) -> None:
        self._due_ns = self.recorder.now_ns() + _BEAT_NS
        self._beat = asyncio.get_running_loop().call_later(_BEAT_NS / 1e9, self._on_beat)

    def _on_beat(self) -> None:
        now_ns = self.recorder.now_ns()
        self._lag.add(now_ns - self._due_ns)
        self._beats += 1
        if self._beats % self._scan_every == 0:
            self._scan(now_ns)
        self._schedule_beat()

    def _scan(self, now_ns: int) -> None:
        """Abandon whoever missed the deadline; stop a run in which nothing can happen any more."""
        idle = True
        for worker in self._workers:
            since = worker.busy_since_ns
            if since is not None:
                idle = False
                if now_ns - since > worker.timeout_ns:
                    self._abandon(worker, "timeout", replace=True)
        free = sum(track.ctx.free.bit_count() for track in self._tracks)
        if (
            idle
            and free == self._live
            and not any(track.waiting for track in self._tracks)
            # Where all tracks have ended, everybody is on the way home.
            and not all(track.done for track in self._tracks)
        ):
            states = "; ".join(repr(track.generator)[:300] for track in self._tracks if not track.done)
            self.broke(
                Broken("generator", f"all threads are free and the generator waits for ever: {states}")
            )

    def _abandon(self, worker: Worker, code: str, *, replace: bool) -> None:
        """Give up a worker whose client hangs: its operation is unknown, and another takes its thread."""
        worker.abandoned = True
        task, connection = worker.task, worker.connection
        if task is not None:
            task.cancel()
            self._chore(self._bury(task, connection))
        begun, worker.running, worker.busy_since_ns, worker.connection = worker.running, None, None, None
        if begun is not None:
            self.counts["abandoned"] += 1
            text = f"no answer within {worker.timeout_ns / 1e9:g} s" if code == "timeout" else "the run ended"
            self.ended(self.recorder.complete(begun, "info", None, error=[code, text]))
        if not replace:
            self._live -= 1
            return
        successor = self._worker(worker.thread)
        if begun is None and isinstance(successor, ClientWorker) and isinstance(worker, ClientWorker):
            successor.no_client = ["timeout", f"opening took longer than {worker.timeout_ns / 1e9:g} s"]
            successor.refusals = worker.refusals
        self._workers[worker.thread] = successor
        successor.start()

    async def _bury(self, task: asyncio.Task[None], connection: Connection | None) -> None:
        """Wait a while for the end of an abandoned task, then close its client."""
        await asyncio.wait({task}, timeout=_CLOSE_S)
        if not task.done():
            self.counts["stuck"] += 1
        if connection is not None:
            await self._close(connection)

    def _stats(self, duration_s: float, ended: str, stuck: int) -> DriveStats:
        counts = self.counts
        ok, fail, info = counts["ok"], counts["fail"], counts["info"]
        return DriveStats(
            operations=ok + fail + info,
            ok=ok,
            fail=fail,
            info=info,
            no_client=counts["no_client"],
            abandoned=counts["abandoned"],
            stuck=max(stuck, counts["stuck"]),
            duration_s=duration_s,
            lag_ms_p50=self._lag.quantile_ms(0.5),
            lag_ms_p99=self._lag.quantile_ms(0.99),
            lag_ms_max=self._lag.max_ns / 1e6,
            ended=ended,
        )
