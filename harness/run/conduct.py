"""The live half of a run: cluster up, load and faults, healing, recovery, final reads, logs home, cluster down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.checkers.online import judge_of
from quorate.harness.core.clock import Clock
from quorate.harness.core.fault import Scene
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken, Reply
from quorate.harness.core.progress import listening
from quorate.harness.core.results import Death, Leader
from quorate.harness.core.settings import read
from quorate.harness.core.system import Planted
from quorate.harness.core.test import Test, UsageError
from quorate.harness.generators import Generator, Invocation, limit, only, stagger
from quorate.harness.generators.lasting import Noted, at_least
from quorate.harness.generators.timing import Paced
from quorate.harness.history import Event, Journal
from quorate.harness.run import divergence, filling, member_logs
from quorate.harness.run.dues import Latencies, Timed
from quorate.harness.run.parts import Parts, stream
from quorate.harness.run.progress import Counter, Listener, Snapshot
from quorate.harness.run.runner import Connection, DriveStats, Recorder, drive
from quorate.harness.run.runner import Nemesis as RunnerNemesis
from quorate.harness.run.settings import RunSettings
from quorate.harness.run.watch import Watcher

log = logging.getLogger(__name__)

_VIRTUAL_MAX: Final = 250_000
_READY_S: Final = 60.0
_RECOVERY_S: Final = 60.0
_FINAL_S: Final = 60.0
_TICK_S: Final = 0.05
_LATE_S: Final = 30.0
_LOGS_S: Final = 20.0
_DUMPS_S: Final = (5.0, 10.0, 20.0)
_HEAL_S: Final = 60.0  # for faults that are in force when a run breaks or is given up
_DROPPED_S: Final = 5.0
# One client in four knows all nodes, as users' clients do; the others show what each node by itself answers.
_KNOWS_ALL_EVERY: Final = 4


class Conducted(msgspec.Struct):
    """What is known of the live half besides the history; filled in as it goes, so that a failure keeps the rest."""

    release: str = ""
    run_id: str = ""
    history_started: str | None = None
    main: DriveStats | None = None
    final: DriveStats | None = None
    main_end_s: float | None = None
    recovered: bool = False
    recovery_s: float | None = None
    leaders: list[Leader] = []
    deaths: list[Death] = []
    planted: Planted | None = None
    latency_due_ms: dict[str, dict[str, float]] = {}
    versions: dict[str, str] = {}
    # How far the run came; what is stored of a killed run says "prepare" or "load".
    reached: str = "prepare"
    interrupted: bool = False
    stopped_on_anomaly: bool = False
    error: str | None = None
    timings_s: dict[str, float] = {}


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
        self._scene = Scene(parts.cluster, parts.system)
        self._recorder: Recorder | None = None
        self._watcher: Watcher | None = None
        self._latencies = Latencies(test.rate)
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
        """With --stop-on-anomaly, judge while the run goes on; the finished history is judged in any case."""
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
            async with self._ticking():
                self._tell("load", f"{test.clients} clients for {test.time:g} s")
                self.done.main = await drive(
                    self._paced(self._parts.workload.operations),
                    perform=self._perform,
                    open_client=self._open_client,
                    recorder=recorder,
                    timeout_s=test.timeout,
                    deadline_s=test.time + patience_s,
                    pinned=self._pinned,
                    nemesis=runner_nemesis,
                    stop=self.stop,
                )
        finally:
            self.done.main_end_s = recorder.now_ns() / 1e9
            self.done.latency_due_ms = self._latencies.summary()
            self.done.planted = self._parts.system.planted(self._parts.cluster)

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
        """Keep each node's own state, where the system can tell it, for the comparison of replicas."""
        system = self._parts.system
        if system.dumps and not system.theirs:
            self._tell("dump", "each node's own state")
            for (
                deadline_s
            ) in _DUMPS_S:  # a busy machine may need longer than usual to come to equal positions
                found = await system.dump(self._parts.cluster, deadline_s)
                if divergence.comparable(found):
                    break
            divergence.keep(self._folder, found)

    async def _read_what_is_left(self, final: Generator) -> None:
        assert self._recorder is not None
        self._tell("final", "reads after recovery")
        async with self._ticking():
            self.done.final = await drive(
                final,
                perform=self._parts.workload.perform,
                open_client=self._open_client,
                recorder=self._recorder,
                timeout_s=max(self._test.timeout, 5.0),
                deadline_s=_FINAL_S,
                pinned=self._pinned,
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
        await self._collect()

    def _tell_kept(self, ways: list[str]) -> None:
        for way in ways:
            self._tell("kept", way)
        if ways and not ways[0].startswith("cannot"):
            self._tell("kept", "servers go on running; remove them with: quorate clean --all")

    async def _collect(self) -> None:
        """Copy each node's logs into the run's folder, all nodes at once."""

        async def fetch(node: Node, path: str) -> None:
            target = self._folder / "nodes" / node.name / Path(path).name
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                async with asyncio.timeout(_LOGS_S):
                    await node.get(path, target)
            except (Broken, TimeoutError, OSError) as error:
                log.info("no %s from %s: %s", path, node.name, error)

        system = self._parts.system
        with contextlib.suppress(Broken):
            nodes = self._parts.cluster.nodes
            wanted = [(node, path) for node in nodes for path in system.logs(node)]
            ours = () if system.theirs else nodes
            await asyncio.gather(
                *(fetch(node, path) for node, path in wanted),
                *(member_logs.keep(system, node, self._folder) for node in ours),
            )

    async def _open_client(self, thread: int, process: int) -> Connection:  # noqa: ARG002 - the runner's signature
        nodes = self._parts.cluster.nodes
        if self._pinned(thread) is None:
            first = thread % len(nodes)
            client = await self._parts.system.client([*nodes[first:], *nodes[:first]], self._test.timeout)
            return Connection(client)
        (node,) = [node for node in nodes if node.name == self._pinned(thread)]
        client = await self._parts.system.client([node], self._test.timeout)
        return Connection(client, node.name)

    def _pinned(self, thread: int) -> str | None:
        """Return the node that the thread's clients know alone; None where they know all."""
        nodes = self._parts.cluster.nodes
        pinning = read(RunSettings, self._test.settings).pinning
        knows_all = pinning == "none" or (
            pinning == "mixed" and thread % _KNOWS_ALL_EVERY == _KNOWS_ALL_EVERY - 1
        )
        return None if knows_all and len(nodes) > 1 else nodes[thread % len(nodes)].name

    @contextlib.asynccontextmanager
    async def _ticking(self) -> Any:
        """Flush the journal and show progress while a drive goes on."""
        task = asyncio.create_task(self._tick(), name="tick")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self._journal.flush()

    async def _tick(self) -> None:
        assert self._recorder is not None
        every, turn, rate = 4, 0, 0.0
        while True:
            await asyncio.sleep(_TICK_S)
            self._journal.tick()
            turn += 1
            if turn % every:
                continue
            now_ns = self._recorder.now_ns()
            if turn % (5 * every) == 0:
                rate = self._counter.rate_per_s(now_ns)
            nemesis = self._parts.nemesis
            self._listener(
                Snapshot(
                    "load" if self.done.main is None else "final",
                    operations=self._counter.completed,
                    not_ok=self._counter.not_ok,
                    rate_per_s=rate,
                    fault=", ".join(nemesis.in_force()) if nemesis is not None else "",
                    left_s=self._test.time - now_ns / 1e9 if self.done.main is None else None,
                )
            )
