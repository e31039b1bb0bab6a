"""The nodes and the network of a simulated cluster: they answer to cuts, kills and pauses as real ones would."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from quorate.harness.cluster.network.clients import ways
from quorate.harness.core.clock import Clock
from quorate.harness.core.node import Completed, Daemon, ProcessState
from quorate.harness.core.outcome import Broken, Unknown
from quorate.harness.systems.simulated.bugs import Bugs
from quorate.harness.systems.simulated.commands import Answer, Command, Outcome
from quorate.harness.systems.simulated.messages import Message
from quorate.harness.systems.simulated.replica import Disk, Replica

DAEMON: Final = "simulated"
_KILLS: Final = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT})


class SimulatedNetwork:
    """Carries messages with random latency; a cut swallows them, and probes, without a word."""

    def __init__(self, rng: Random) -> None:
        self.cuts: frozenset[tuple[str, str]] = frozenset()
        self.client_cuts: frozenset[tuple[str, str]] = frozenset()  # one of each pair is `CLIENTS`
        self.names: tuple[str, ...] = ()
        self._rng = rng

    async def cut(self, pairs: frozenset[tuple[str, str]]) -> None:
        """Make exactly these directed pairs dead."""
        self.cuts = frozenset(pairs)

    async def heal(self) -> None:
        """Remove every cut."""
        self.cuts = frozenset()

    async def probe(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        """Send a packet over each pair; a kernel answers even where the server is dead or stopped."""
        await asyncio.sleep(self.latency_s())
        return {pair: pair not in self.cuts for pair in pairs}

    async def dropped(self) -> None:
        """Not counted."""

    @property
    def client_ways(self) -> SimulatedNetwork:
        """Clients can be cut."""
        return self

    async def cut_clients(self, pairs: frozenset[tuple[str, str]]) -> None:
        """Make exactly these ways between clients and nodes dead."""
        self.client_cuts = frozenset(pairs)

    async def probe_clients(self) -> dict[tuple[str, str], bool]:
        """Send a packet over each way of clients."""
        await asyncio.sleep(self.latency_s())
        return {pair: pair not in self.client_cuts for pair in ways(self.names)}

    def latency_s(self) -> float:
        """Draw a one-way latency: mostly 0.2 to 0.8 ms, now and then several."""
        slow, usual_s = 0.03, self._rng.uniform(0.0002, 0.0008)
        return usual_s + (self._rng.uniform(0, 0.008) if self._rng.random() < slow else 0.0)


class SimulatedNode:
    """One machine: a disk, files, and at most one server process."""

    def __init__(self, cluster: SimulatedCluster, name: str, number: int) -> None:
        self.name = name
        self.address = f"198.18.0.{number}"
        self.directory = f"/simulated/{name}"
        self.netns: str | None = None
        self.logs: Sequence[str] = ()
        self.port: int | None = None
        self.replica: Replica | None = None
        self.disk = Disk()
        self.log: list[str] = []
        self._files: dict[str, bytes] = {}
        self.cluster = cluster
        self.services: dict[str, Any] = {}  # what its agent has; on the disk, so that it outlives the server
        self._calls: dict[int, Answer] = {}
        self._call_count = 0

    async def run(
        self, argv: Sequence[str], *, timeout_s: float = 10.0, stdin: bytes = b"", check: bool = True
    ) -> Completed:
        """No shell here: as a command that is not found."""
        del timeout_s, stdin
        text = f"{self.name} is simulated and has no command {argv[0]!r}"
        if check:
            raise Broken("simulated", text)
        return Completed(127, "", text)

    async def put(self, source: Path, target: str, *, mode: int = 0o644) -> None:
        """Keep the file's content in memory."""
        del mode
        self._files[target] = await asyncio.to_thread(source.read_bytes)

    async def get(self, source: str, target: Path) -> None:
        """Write out a file, or the server's log."""
        content = "".join(self.log).encode() if source == self.log_path else self._files.get(source)
        if content is None:
            raise Broken("simulated", f"{self.name} has no file {source}")
        await asyncio.to_thread(target.write_bytes, content)

    @property
    def log_path(self) -> str:
        """Where the server's log seems to be."""
        return f"{self.directory}/{DAEMON}.log"

    async def start(self, daemon: Daemon) -> None:
        """Start the server with what is on its disk; nothing happens where it runs."""
        if daemon.name != DAEMON:
            raise Broken(
                "simulated", f"{self.name} is simulated and can only start {DAEMON!r}, not {daemon.name!r}"
            )
        if self.replica is None:
            self.note("start")
            self.replica = self.cluster.make_replica(self)

    async def signal(self, daemon: str, signum: int) -> None:
        """Kill, stop or continue the server; other signals are ignored."""
        replica = self.replica
        if daemon != DAEMON or replica is None:
            return
        self.note(f"signal {signum}")
        if signum in _KILLS:
            replica.die()
            self.replica = None
            calls, self._calls = self._calls, {}
            for answer in calls.values():
                answer(Unknown("connection-reset", f"{self.name} closed the connection"))
        elif signum == signal.SIGSTOP:
            replica.pause()
        elif signum == signal.SIGCONT:
            replica.resume()

    async def state(self, daemon: str) -> ProcessState:
        """Return what became of it."""
        if daemon != DAEMON or self.replica is None:
            return ProcessState.DEAD
        return ProcessState.STOPPED if self.replica.paused else ProcessState.RUNNING

    async def ended(self, daemon: str) -> None:
        """Not reported."""
        del daemon

    async def pid(self, daemon: str) -> int | None:
        """Return None: no process can be seen."""
        del daemon
        return None

    def call(self, command: Command, answer: Answer) -> None:
        """Let a request arrive over a connection; `answer` is called once, or never if the server cannot."""
        replica = self.replica
        assert replica is not None
        self._call_count += 1
        number = self._call_count

        def answered(outcome: Outcome) -> None:
            if self._calls.pop(number, None) is not None:
                answer(outcome)

        self._calls[number] = answer
        replica.serve(command, answered)

    def note(self, text: str) -> None:
        """Append a line to the server's log."""
        self.log.append(f"{self.cluster.clock.now_ns() / 1e9:.6f} {self.name} {text}\n")

    def erase(self) -> None:
        """Empty the disk."""
        self.disk, self.log, self._files = Disk(), [], {}
        self.services.clear()


class SimulatedCluster:
    """Nodes in this process; all chance is drawn from `rng`, all time from the event loop."""

    def __init__(self, run_id: str, names: Sequence[str], rng: Random, clock: Clock) -> None:
        self.run_id = run_id
        self.clock = clock
        self.rng = rng
        self.bug: str | None = None
        self.session_reads = False
        self.bug_acts = 0  # how often the bug made a server do otherwise than a correct one
        self.closed_sessions: set[str] = set()
        self.sessions = 0
        self.network = SimulatedNetwork(rng)
        self.nodes = [SimulatedNode(self, name, number) for number, name in enumerate(names, 1)]
        self.network.names = tuple(names)
        self._by_name = {node.name: node for node in self.nodes}

    async def up(self) -> None:
        """Nothing is needed."""

    async def wipe(self) -> None:
        """Kill all servers, empty the disks, heal the network."""
        for node in self.nodes:
            await node.signal(DAEMON, signal.SIGKILL)
            node.erase()
        await self.network.heal()
        self.closed_sessions.clear()

    def keep(self) -> list[str]:
        """Nothing outlives this process."""
        return []

    async def down(self) -> None:
        """Kill all servers."""
        for node in self.nodes:
            await node.signal(DAEMON, signal.SIGKILL)
        await self.network.heal()

    def acted(self) -> None:
        """Count one act of the bug."""
        self.bug_acts += 1

    def strikes(self, bug: str, share: float = 1.0) -> bool:
        """Whether this is the bug that is switched on, and it acts now; a certain share draws nothing."""
        hit = self.bug == bug and (share >= 1 or self.rng.random() < share)
        if hit:
            self.acted()
        return hit

    def node(self, name: str) -> SimulatedNode:
        """Return the node of that name."""
        return self._by_name[name]

    def make_replica(self, node: SimulatedNode) -> Replica:
        """Return a server process for the node."""
        peers = [other.name for other in self.nodes if other is not node]
        return Replica(
            node.name,
            peers,
            node.disk,
            send=lambda target, message: self._carry(node.name, target, message),
            rng=self.rng,
            bugs=Bugs(self.bug, self.rng, self.acted),
            closed=self.closed_sessions,
            session_reads=self.session_reads,
        )

    def _carry(self, source: str, target: str, message: Message) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self.network.latency_s(), self._deliver, source, target, message)

    def _deliver(self, source: str, target: str, message: Message) -> None:
        replica = self._by_name[target].replica
        if replica is not None and (source, target) not in self.network.cuts:
            replica.receive(source, message)
