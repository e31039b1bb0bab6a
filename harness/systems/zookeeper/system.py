"""ZooKeeper as a system under test: lifecycle, health, clients."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from harness.cluster.node import Cluster, Daemon, Node, ProcessState
from harness.outcome import Broken
from harness.systems.logs import tail
from harness.systems.system import NodeDump, NodeStatus, SystemOptions
from harness.systems.zookeeper import health
from harness.systems.zookeeper.client import ZooKeeperClient
from harness.systems.zookeeper.installing import Installed, install, install_release, java_of
from harness.systems.zookeeper.kazoo_client import KazooRecipes
from harness.systems.zookeeper.settings import SETTINGS, read_settings

_POLL_S: Final = 0.1
_STOP_S: Final = 10.0


class ZooKeeper:
    """ZooKeeper servers: znodes with versions, sessions, ephemerals and sequences.

    Writes are linearizable (documented). Reads come from the server asked: `plain` reads may be old; with `sync` they
    are fresh as long as no deposed leader answers (ZOOKEEPER-1675: `sync` is no quorum operation).
    """

    name = "zookeeper"
    daemon = "zookeeper"
    runtime = "jvm"
    image_kind = "jre"
    settings: ClassVar[Mapping[str, str]] = SETTINGS

    def __init__(self, options: SystemOptions) -> None:
        self._options = options
        self._settings = read_settings(options.settings)
        self._installed: dict[str, Installed] = {}
        self._java = "java"
        self._clients = 0

    @property
    def release(self) -> str:
        """What runs and where it came from; before `install`, what was asked for."""
        titles = list(dict.fromkeys(server.title for server in self._installed.values()))
        return " and ".join(titles) or self._options.release or "newest"

    async def install(self, cluster: Cluster) -> None:
        """Put the jars and a configuration on every node, and find its Java."""
        self._java, self._installed = await asyncio.gather(
            java_of(cluster.nodes[0]), install(cluster, self._options, self._settings)
        )

    async def start(self, cluster: Cluster, node: Node) -> None:  # noqa: ARG002 - the interface's signature
        """Start the JVM with the data as it is."""
        server = self._installed.get(node.name)
        if server is None:
            raise Broken("not-installed", f"no zookeeper was installed on {node.name}")
        root, snap_count = node.directory, self._settings.snap_count
        argv = (
            self._java,
            f"-Xmx{self._settings.heap}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dzookeeper.admin.enableServer=false",
            "-Dzookeeper.4lw.commands.whitelist=*",
            "-Dzookeeper.extendedTypesEnabled=true",
            f"-Dznode.container.checkIntervalMs={self._settings.container_check_ms}",
            *([f"-Dzookeeper.snapCount={snap_count}"] if snap_count else []),
            "-cp",
            f"{root}/conf:{server.jars}/*",
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            f"{root}/conf/zoo.cfg",
        )
        await node.start(Daemon(name=self.daemon, argv=argv, log=f"{root}/zookeeper.log", cwd=root))

    async def stop(self, node: Node) -> None:
        """End the server as an operator does (SIGTERM), by force after ten seconds."""
        await node.signal(self.daemon, signal.SIGTERM)
        loop = asyncio.get_running_loop()
        end = loop.time() + _STOP_S
        while await node.state(self.daemon) is not ProcessState.DEAD:
            if loop.time() >= end:
                await node.signal(self.daemon, signal.SIGKILL)
            await asyncio.sleep(_POLL_S)

    async def upgrade(self, cluster: Cluster, node: Node, release: str) -> None:
        """Stop the server in good order, and start it as another release with its data; raises `Broken`."""
        server = await install_release(node, release)
        await self.stop(node)
        self._installed[node.name] = server
        await self.start(cluster, node)

    async def status(self, cluster: Cluster) -> list[NodeStatus]:
        """Ask every server about itself (`srvr`), each within 300 ms, all at once; never raises."""
        return await health.status(cluster.nodes)

    async def wait_ready(self, cluster: Cluster, deadline_s: float) -> list[NodeStatus]:
        """Return once all servers follow one leader, and sessions can be opened and written with on each."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        while True:
            statuses = await self.status(cluster)
            one = sum(status.role == "leader" for status in statuses) == 1
            well = all(status.healthy for status in statuses)
            if well and one and await health.serve(cluster.nodes, self._settings.client):
                return statuses
            await self._still_alive(cluster)
            if loop.time() >= end:
                said = "; ".join(f"{status.node}: {status.error or status.role}" for status in statuses)
                logs = await tail(cluster, "zookeeper.log")
                raise Broken("not-ready", f"zookeeper was not ready after {deadline_s:g} s: {said}\n{logs}")
            await asyncio.sleep(_POLL_S)

    async def _still_alive(self, cluster: Cluster) -> None:
        """A server that ended cannot get ready: say so at once."""
        for node in cluster.nodes:
            if await node.state(self.daemon) is ProcessState.DEAD:
                logs = await tail(cluster, "zookeeper.log", only=node.name)
                raise Broken("server-died", f"zookeeper on {node.name} ended by itself:\n{logs}")

    async def client(self, nodes: Sequence[Node], timeout_s: float) -> ZooKeeperClient | KazooRecipes:
        """Open a client; its session begins with the first operation."""
        self._clients += 1
        name, options = f"client-{self._clients}", self._settings.client
        addresses = {node.name: node.address for node in nodes}
        if self._settings.recipes == "own":
            return ZooKeeperClient(name, addresses, timeout_s, options)
        retrying = self._settings.recipes == "kazoo-retrying"
        return KazooRecipes(name, addresses, timeout_s, options, retrying=retrying)

    async def dump(self, cluster: Cluster, deadline_s: float = 5.0) -> list[NodeDump]:
        """Every server's tree as it alone holds it, at one zxid if that comes in time."""
        return await health.dump(cluster.nodes, deadline_s)

    def log_files(self, node: Node) -> Sequence[str]:
        """The server's log and its configuration."""
        return (f"{node.directory}/zookeeper.log", f"{node.directory}/conf/zoo.cfg")
