"""Systems that run as one daemon on each node: what is installed where, and how it is stopped, replaced and awaited."""

from __future__ import annotations

import abc
import signal
from collections.abc import Sequence
from random import Random
from typing import Any, ClassVar, Final, Generic

from quorate.harness.core import tuning
from quorate.harness.core.clock import until
from quorate.harness.core.node import Cluster, Daemon, Node, ProcessState
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import NodeStatus, System, SystemOptions
from quorate.harness.systems.adopting import Adopting
from quorate.harness.systems.placing import Server, Servers

_STOP_S: Final = 10.0


class Daemons(System, Generic[Server]):
    """Base of such a system; it adds how to configure, start and ask its server."""

    dumps = True
    upgrades = True
    on_disk = True
    adopting: ClassVar[Adopting]  # what clients may do on servers that are not quorate's
    poll_s: ClassVar[float] = 0.1
    same_term: ClassVar[bool] = False  # whether all must report the leader's term to be ready

    def __init__(self, options: SystemOptions, servers: Servers[Any, Server]) -> None:
        self._options = options
        self._servers = servers
        self._installed: dict[str, Server] = {}

    def tune(self, kind: str, rng: Random) -> dict[str, str]:
        """Return the settings that this kind of tuning adds; raise `UsageError` for one that the release lacks."""
        given, releases = self._options.settings, self._servers.known()
        tuning.check(self.name, self.knobs, releases, given)
        return tuning.drawn(kind, self.knobs, releases=releases, given=given, rng=rng)

    @property
    def release(self) -> str:
        """What runs and where it came from; before `install`, what was asked for."""
        titles = list(dict.fromkeys(server.title for server in self._installed.values()))
        return " and ".join(titles) or self.asked or "newest"

    @property
    def asked(self) -> str | None:
        """What was asked for, as it is understood: `3.5` is the newest of that line. None: the default."""
        return ",".join(self._servers.asked) or self._options.release

    def unobtainable(self) -> str | None:
        """Return why the server that was asked for cannot be had here, with the other ways; None where it may."""
        return self._servers.unobtainable()

    def installed(self, node: Node) -> Server:
        """What is on a node; raises `Broken` where nothing is."""
        if node.name not in self._installed:
            raise Broken("not-installed", f"no {self.name} was installed on {node.name}")
        return self._installed[node.name]

    def adopt(self, workloads: Sequence[str]) -> None:
        """Let clients loose on somebody else's servers; see `System.adopt`."""
        self.adopting.check(workloads, self._options.settings)
        self.theirs = True

    async def _versions(self, cluster: Cluster) -> dict[str, str]:
        """Return what somebody else's servers say they are; raises `Broken` where they do not serve."""
        return await self.adopting.look(lambda: self.status(cluster), lambda: self.unserved(cluster.nodes))

    async def stop(self, node: Node) -> None:
        """End the server as an operator does (SIGTERM), by force after ten seconds; `Broken` if it outlives that."""

        async def dead() -> bool:
            return await node.state(self.daemon) is ProcessState.DEAD

        async def killed() -> bool:
            await node.signal(self.daemon, signal.SIGKILL)
            return await dead()

        await node.signal(self.daemon, signal.SIGTERM)
        for probe in (dead, killed):
            if await until(probe, bool, deadline_s=_STOP_S, poll_s=self.poll_s):
                return
        raise Broken("not-stopped", f"{self.name} on {node.name} still runs {_STOP_S:g} s after SIGKILL")

    async def upgrade(self, cluster: Cluster, node: Node, release: str) -> None:
        """Stop the server in good order, and start it as another release with its data; raises `Broken`."""
        server = await self._servers.install_release(node, release)
        await self.stop(node)
        self._installed[node.name] = server
        await self.start(cluster, node)

    async def wait_ready(self, cluster: Cluster, deadline_s: float) -> list[NodeStatus]:
        """Return once all servers are healthy, agree on one leader, and serve; somebody else's once they serve.

        Raises `Broken` at the deadline, or at once when a server has died, with the last lines of its log.
        """
        if self.theirs:
            await Adopting.wait_serving(lambda: self.unserved(cluster.nodes), self.name, deadline_s)
            return await self.status(cluster)

        async def look() -> tuple[list[NodeStatus], str]:
            statuses = await self.status(cluster)
            why = _no_leader(statuses, same_term=self.same_term) or await self.unserved(cluster.nodes)
            for node in cluster.nodes if why else ():
                if await node.state(self.daemon) is ProcessState.DEAD:
                    said = await self._last_words(cluster, node.name)
                    raise Broken("server-died", f"{self.name} on {node.name} is not running: {said}")
            return statuses, why or ""

        statuses, why = await until(
            look, lambda found: not found[1], deadline_s=deadline_s, poll_s=self.poll_s
        )
        if why:
            said = await self._last_words(cluster)
            raise Broken("not-ready", f"{self.name} was not ready after {deadline_s:g} s: {why}\n{said}")
        return statuses

    async def start(self, cluster: Cluster, node: Node) -> None:
        """Start the server on one node with its data as it is; how somebody else's is started, its node knows."""
        if self.theirs:
            await node.start(Daemon(self.daemon, (), ""))
        else:
            await self._start(cluster, node)

    @abc.abstractmethod
    async def _start(self, cluster: Cluster, node: Node) -> None:
        """Start a server of quorate's."""

    @abc.abstractmethod
    async def status(self, cluster: Cluster) -> list[NodeStatus]:
        """Ask every server, all at once; never raises."""

    @abc.abstractmethod
    async def unserved(self, nodes: Sequence[Node]) -> str:
        """Which of these nodes do not answer what a quorum must confirm, and why; empty where all do."""

    @abc.abstractmethod
    async def _last_words(self, cluster: Cluster, only: str | None = None) -> str:
        """The last lines of all logs, or of one node's."""


def _no_leader(statuses: Sequence[NodeStatus], *, same_term: bool) -> str:
    """Why there is not one leader that all know of, empty where there is."""
    silent = [f"{each.node}: {each.error or each.role}" for each in statuses if not each.healthy]
    if silent:
        return "; ".join(silent)
    leaders = [each.node for each in statuses if each.role == "leader"]
    if len(leaders) != 1 or (same_term and len({each.term for each in statuses}) != 1):
        told = ", ".join(f"{each.node}: {each.role} in term {each.term}" for each in statuses)
        return f"they do not agree on a leader ({told})"
    return ""
