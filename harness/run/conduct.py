"""The live half of a run: cluster up, load and faults, healing, recovery, final reads, logs home, cluster down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from quorate.checkers.online import judge_of
from quorate.harness.core.clock import Clock
from quorate.harness.core.fault import Scene
from quorate.harness.core.outcome import Broken, Reply
from quorate.harness.core.progress import listening
from quorate.harness.core.settings import read
from quorate.harness.core.test import Test, UsageError
from quorate.harness.generators import Generator, Invocation, limit, only, stagger
from quorate.harness.generators.lasting import Noted, at_least
from quorate.harness.generators.timing import Paced
from quorate.harness.history import Event, Journal
from quorate.harness.run import divergence, filling
from quorate.harness.run.collecting import collect
from quorate.harness.run.conducted import Conducted
from quorate.harness.run.dues import Latencies, Timed
from quorate.harness.run.opening import Clients
from quorate.harness.run.parts import Parts, stream
from quorate.harness.run.progress import Counter, Listener, Snapshot
from quorate.harness.run.runner import Nemesis as RunnerNemesis
from quorate.harness.run.runner import Recorder, drive
from quorate.harness.run.settings import RunSettings
from quorate.harness.run.ticking import Ticker
from quorate.harness.run.watch import Watcher

log = logging.getLogger(__name__)

_VIRTUAL_MAX: Final = 250_000
_READY_S: Final = 60.0
_RECOVERY_S: Final = 60.0
_FINAL_S: Final = 60.0
_LATE_S: Final = 30.0
_DUMPS_S: Final = (5.0, 10.0, 20.0)
_HEAL_S: Final = 60.0  # for faults that are in force when a run breaks or is given up
_DROPPED_S: Final = 5.0


class Conductor:
    """Leads one run through its phases; `stop` (Ctrl-C) ends the load early, never the healing or the writing."""

    def __init__(
        self,
        test: Test,
        parts: Parts,
        folder: Path,
        journal: Journal,
        clock: Clock,
        listener: Listener,
        save: Callable[[Conducted], None] = lambda _: None,
    ) -> None:
        self._save = save
        self._under_way: asyncio.Task[None] | None = None
        self._test = test
        self._parts = parts
        self._folder = folder
        self._journal = journal
        self._clock = clock
        self._listener = listener
        self._counter = Counter()
        self._scene = Scene(parts.cluster, parts.system, folder)
        self._recorder: Recorder | None = None
        self._watcher: Watcher | None = None
        self._latencies = Latencies(test.rate)
        in_force = parts.nemesis.in_force if parts.nemesis is not None else tuple
        self._ticker = Ticker(journal, self._counter, listener, in_force)
        self._faults_over = asyncio.Event()
        if parts.nemesis is None:
            self._faults_over.set()
        self.stop = asyncio.Event()
        self.done = Conducted(run_id=parts.cluster.run_id)

    async def run(self) -> Conducted:
        """Go through all phases; raises nothing but cancellation: what broke stands in `Conducted.error`."""
        self._journal.subscribe(self._counter)
        self._watch_for_anomalies()
        try:
            await self._droppable(self._phases())
        finally:
            await self._end()
        return self.done

    def interrupt(self, *, give_up: bool) -> None:
        """End early. Before the load there is nothing to judge, so the first wish already drops what is under way."""
        self.stop.set()
        if (give_up or self.done.reached == "prepare") and self._under_way is not None:
            self._under_way.cancel()

    async def _phases(self) -> None:
        try:
            await self._start()
            self._reach("load")
            await self._load()
            self._reach("heal")
            await self._settle()
            self._reach("end")
        except (Broken, UsageError) as error:
            log.error("the run broke: %s", error)
            self.done.error = str(error)

    def _reach(self, phase: str) -> None:
        """Note how far the run came, on disk too: a run that is killed later is judged by what is known by then."""
        self.done.reached = phase
        self._save(self.done)

    async def _droppable(self, work: Coroutine[Any, Any, None]) -> None:
        """Await work that `interrupt` may drop; what swallows its cancellation is left to itself after a while."""
        self._under_way = task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task})
            if task.cancelled():
                log.warning("interrupted: what was under way was dropped")
            else:
                await task
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task}, timeout=_DROPPED_S)
            raise
        finally:
            self._under_way = None

    def _watch_for_anomalies(self) -> None:
        """With --stop-on-anomaly, judge during the run; the finished history is judged in any case."""
        if not self._test.stop_on_anomaly:
            return
        workload = self._parts.workload
        online = judge_of(workload.model, workload.must_hold)
        if online is None:
            log.warning("--stop-on-anomaly: %s cannot be judged while it runs", workload.name)
            return

        def look(event: Event) -> None:
            if online.feed(event) is not None and not self.stop.is_set():
                log.info("stopping: %s", online.anomaly)
                self.done.stopped_on_anomaly = True
                self.stop.set()

        self._journal.subscribe(look)

    def _tell(self, phase: str, text: str = "") -> None:
        self._listener(Snapshot(phase, text))
        log.info("%s %s", phase, text)

    async def _start(self) -> None:
        system, cluster = self._parts.system, self._parts.cluster
        begun = self._clock.now_ns()
        async with listening(lambda line: self._tell("prepare", line)):
            self._tell("cluster", f"{self._test.nodes} nodes ({self._test.cluster})")
            await cluster.up()
            self.done.run_id = cluster.run_id  # a cluster of a campaign may be one taken over
            self._mark("cluster", begun)
            await system.install(cluster)
            if self._parts.nemesis is not None:
                await self._parts.nemesis.prepare(self._scene)
        self.done.release = system.release
        self._tell("start", f"{system.name} {system.release}")
        if not system.theirs:
            await asyncio.gather(*(system.start(cluster, node) for node in cluster.nodes))
        statuses = await system.wait_ready(cluster, _READY_S)
        self._mark("ready", begun)
        if size := read(RunSettings, self._test.settings).filled:
            self._tell("fill", f"the store, up to {size:,} bytes")
            await filling.fill(system, cluster, size)
            self._mark("filled", begun)
        self.done.versions = {status.node: status.version for status in statuses if status.version}

    def _mark(self, what: str, begun_ns: int) -> None:
        self.done.timings_s[what] = round((self._clock.now_ns() - begun_ns) / 1e9, 3)

    async def _load(self) -> None:
        """The main phase: clients and faults until the time is over."""
        test, nemesis = self._test, self._parts.nemesis
        if nemesis is not None:
            nemesis.attach(self._scene)
            await nemesis.begin()
        recorder = Recorder(self._journal.append, self._clock, clients=test.clients)
        # The date of the history's time 0, to place the servers' log lines beside it.
        self.done.history_started = datetime.now(UTC).isoformat()
        self._recorder = recorder
        watcher = Watcher(self._parts.system, self._parts.cluster, recorder.now_ns, self._held_down)
        self._watcher = watcher
        self.done.leaders, self.done.deaths = watcher.leaders, watcher.deaths
        watcher.start()
        runner_nemesis, patience_s = None, _LATE_S
        if nemesis is not None:
            faults = Noted(self._faults_over.set, nemesis.generator)
            runner_nemesis = RunnerNemesis(faults, nemesis.act, timeout_s=nemesis.longest_s)
            patience_s += nemesis.patience_s
        try:
            async with self._ticker.during("load", recorder.now_ns, test.time):
                self._tell("load", f"{test.clients} clients for {test.time:g} s")
                self.done.main = await drive(
                    self._paced(self._parts.workload.operations),
                    perform=self._perform,
                    open_client=self._clients.open,
                    recorder=recorder,
                    timeout_s=test.timeout,
                    deadline_s=test.time + patience_s,
                    pinned=self._clients.pinned,
                    nemesis=runner_nemesis,
                    stop=self.stop,
                )
        finally:
            self.done.main_end_s = recorder.now_ns() / 1e9
            self.done.latency_due_ms = self._latencies.summary()
            self.done.planted = self._parts.system.planted(self._parts.cluster)

    @property
    def _clients(self) -> Clients:
        return Clients(self._test, self._parts.system, self._parts.cluster.nodes)

    async def _perform(self, client: Any, invocation: Invocation) -> Reply:
        reply = await self._parts.workload.perform(client, invocation)
        assert self._recorder is not None
        self._latencies.answered(invocation, self._recorder.now_ns())
        return reply

    def _paced(self, operations: Generator) -> Generator:
        test = self._test
        if test.rate > 0:
            assert test.seed is not None
            paced = stagger(test.rate, operations, stream(test.seed, "pace"))
            assert isinstance(paced, Paced)
            operations = Timed(paced, self._latencies.forgiven)
        elif test.virtual:
            # A second of virtual time holds any number of operations: without a bound it would not end in real time.
            operations = limit(_VIRTUAL_MAX, operations)
        kept = read(RunSettings, test.settings).kept
        if kept is not None:
            operations = only(kept, operations)
        # A fault that has begun must be seen to its end by clients: without them it would prove nothing.
        return at_least(test.time, self._faults_over.is_set, operations)

    def _held_down(self) -> frozenset[str]:
        """Nodes that a fault holds dead right now."""
        nemesis = self._parts.nemesis
        return nemesis.held_down() if nemesis is not None else frozenset()

    async def _settle(self) -> None:
        """Heal everything, wait until the cluster has recovered, and let clients read what is left."""
        assert self._recorder is not None
        self._tell("heal")
        await self._heal()
        healed_ns = self._recorder.now_ns()
        await self._wait_recovery()
        self.done.recovery_s = round((self._recorder.now_ns() - healed_ns) / 1e9, 3)
        final = self._parts.workload.final
        if final is not None and not self.stop.is_set():
            self._reach("final")
            await self._read_what_is_left(final)
        if self.done.recovered:
            await self._dump()

    async def _dump(self) -> None:
        """Keep each node's own state, where the system can dump it, for the comparison of replicas."""
        system = self._parts.system
        if system.dumps and not system.theirs:
            self._tell("dump", "each node's own state")
            for deadline_s in _DUMPS_S:  # a busy machine may take long to come to equal positions
                found = await system.dump(self._parts.cluster, deadline_s)
                if divergence.comparable(found):
                    break
            divergence.keep(self._folder, found)

    async def _read_what_is_left(self, final: Generator) -> None:
        assert self._recorder is not None
        self._tell("final", "reads after recovery")
        async with self._ticker.during("final", self._recorder.now_ns):
            self.done.final = await drive(
                final,
                perform=self._parts.workload.perform,
                open_client=self._clients.open,
                recorder=self._recorder,
                timeout_s=max(self._test.timeout, 5.0),
                deadline_s=_FINAL_S,
                pinned=self._clients.pinned,
                stop=self.stop,
            )

    async def _heal(self) -> None:
        nemesis = self._parts.nemesis
        if nemesis is not None and self._recorder is not None:
            await nemesis.heal_all(self._scene)

    async def _wait_recovery(self) -> None:
        try:
            await self._parts.system.wait_ready(self._parts.cluster, _RECOVERY_S)
            self.done.recovered = True
        except Broken as error:
            # The service not coming back is a finding, not a failure of the harness: the gates judge it.
            log.warning("no recovery: %s", error)
            self.done.recovered = False

    async def _end(self) -> None:
        """Leave nothing behind; what cannot be fetched or removed is logged, and the first reason kept."""
        begun = self._clock.now_ns()
        if self._watcher is not None:
            await self._watcher.stop()
        if self.done.reached not in {"prepare", "end"}:
            await self._droppable(self._heal_at_last())
        self._listener(Snapshot("logs"))
        await self._droppable(self._bring_home())
        try:
            if self._test.keep_cluster:
                self._tell_kept(self._parts.cluster.keep())
            await self._parts.cluster.down()
        except Broken as error:
            log.error("teardown: %s", error)
            self.done.error = self.done.error or str(error)
        self._mark("end", begun)
        self.done.interrupted = self.stop.is_set() and not self.done.stopped_on_anomaly

    async def _heal_at_last(self) -> None:
        with contextlib.suppress(Broken, TimeoutError):
            async with asyncio.timeout(_HEAL_S):
                await self._heal()

    async def _bring_home(self) -> None:
        await self._parts.system.close()
        await collect(self._parts.system, self._parts.cluster, self._folder)

    def _tell_kept(self, ways: list[str]) -> None:
        for way in ways:
            self._tell("kept", way)
        if ways and not ways[0].startswith("cannot"):
            self._tell("kept", "servers keep running; remove them with: quorate clean --all")
