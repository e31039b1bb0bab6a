"""ZooKeeper as a system under test: configuration, lifecycle, health."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final, cast

from harness.cluster.node import Cluster, Daemon, Node, ProcessState
from harness.outcome import Broken, OutcomeError, Refused
from harness.systems.logs import tail
from harness.systems.releases import Server, resolve
from harness.systems.system import NodeStatus, SystemOptions
from harness.systems.zookeeper.caller import PORT, ROOT, Caller, ClientOptions, Reads
from harness.systems.zookeeper.client import ZooKeeperClient

_PROBE_S: Final = 0.3
_POLL_S: Final = 0.1
_MODE: Final = re.compile(r"^Mode: (\w+)", re.MULTILINE)
_ZXID: Final = re.compile(r"^Zxid: 0x([0-9a-f]+)", re.MULTILINE)
_VERSION: Final = re.compile(r"^Zookeeper version: ([\w.]+)", re.MULTILINE)
_LOG4J: Final = """\
log4j.rootLogger=INFO, OUT
log4j.appender.OUT=org.apache.log4j.ConsoleAppender
log4j.appender.OUT.layout=org.apache.log4j.PatternLayout
log4j.appender.OUT.layout.ConversionPattern=%d{ISO8601} [%t] %-5p %c{1} - %m%n
"""
_LOGBACK: Final = """\
<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} [%t] %-5p %c{1} - %m%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
"""


class ZooKeeper:
    """ZooKeeper servers: znodes with versions, sessions, ephemerals and sequences.

    Writes are linearizable (documented). Reads come from the server asked: `plain` reads may be old; with `sync` they
    are fresh as long as no deposed leader answers (ZOOKEEPER-1675: `sync` is no quorum operation).
    """

    name = "zookeeper"
    daemon = "zookeeper"
    runtime = "jvm"
    image_kind = "jre"
    settings: ClassVar[dict[str, str]] = {
        "reads": "sync or plain [sync]",
        "tick": "tickTime in ms [500]",
        "sync_limit": "ticks after which a follower that does not answer is dropped [4]",
        "session": "time to live of sessions in ms [5000]",
        "jars": "folder with the jars of a ZooKeeper of your own",
    }

    def __init__(self, options: SystemOptions) -> None:
        reads = options.settings.get("reads", "sync")
        if reads not in {"sync", "plain"}:
            raise Broken("bad-setting", f'reads="{reads}": give sync or plain')
        self._options = options
        self._client_options = ClientOptions(
            reads=cast("Reads", reads), session_ms=int(options.settings.get("session", "5000"))
        )
        self._server: Server | None = None
        self._java = "java"
        self._clients = 0

    @property
    def release(self) -> str:
        """The release as resolved."""
        return self._server.title if self._server else self._options.release or "newest"

    async def install(self, cluster: Cluster) -> None:
        """Put the jars and a configuration on every node, and find its Java."""
        own = self._options.settings.get("jars")
        if own is None:
            self._server = await asyncio.to_thread(resolve, "zookeeper", self._options.release)
            own = str(self._server.jars)
        jars = await asyncio.to_thread(lambda: sorted(Path(own).glob("*.jar")))
        if not jars:
            raise Broken("no-binary", f"{own} holds no jars")
        await asyncio.gather(*(self._install(cluster, node, jars) for node in cluster.nodes))
        found = await cluster.nodes[0].run(["sh", "-c", "command -v java"], check=False)
        if found.code != 0:
            raise Broken(
                "no-java",
                "the nodes have no java: take an image with a JRE, or install one for --cluster local",
            )
        self._java = found.stdout.strip()

    async def _install(self, cluster: Cluster, node: Node, jars: Sequence[Path]) -> None:
        root = node.directory
        await asyncio.gather(*(node.put(jar, f"{root}/jars/{jar.name}") for jar in jars))
        number = [other.name for other in cluster.nodes].index(node.name) + 1
        files = {
            "conf/zoo.cfg": self._configuration(cluster, node),
            "conf/log4j.properties": _LOG4J,
            "conf/logback.xml": _LOGBACK,
            "data/myid": f"{number}\n",
        }
        for name, text in files.items():
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(text)
                file.flush()
                await node.put(Path(file.name), f"{root}/{name}")

    def _configuration(self, cluster: Cluster, node: Node) -> str:
        settings = self._options.settings
        lines = [
            f"tickTime={settings.get('tick', '500')}",
            "initLimit=20",
            f"syncLimit={settings.get('sync_limit', '4')}",
            f"dataDir={node.directory}/data",
            f"clientPort={PORT}",
            f"clientPortAddress={node.address}",
            "maxClientCnxns=0",
            "maxSessionTimeout=60000",
            "4lw.commands.whitelist=*",
            "admin.enableServer=false",
        ]
        if len(cluster.nodes) > 1:
            lines += [
                f"server.{number}={other.address}:2888:3888"
                for number, other in enumerate(cluster.nodes, start=1)
            ]
        return "\n".join(lines) + "\n"

    async def start(self, cluster: Cluster, node: Node) -> None:  # noqa: ARG002 - the interface's signature
        """Start the JVM with the data as it is."""
        root = node.directory
        argv = (
            self._java,
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dzookeeper.admin.enableServer=false",
            "-Dzookeeper.4lw.commands.whitelist=*",
            "-Dzookeeper.extendedTypesEnabled=true",
            "-cp",
            f"{root}/conf:{root}/jars/*",
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            f"{root}/conf/zoo.cfg",
        )
        await node.start(Daemon(name=self.daemon, argv=argv, log=f"{root}/zookeeper.log", cwd=root))

    async def status(self, cluster: Cluster) -> list[NodeStatus]:
        """Ask every server about itself (`srvr`)."""
        return list(await asyncio.gather(*(_status(node) for node in cluster.nodes)))

    async def wait_ready(self, cluster: Cluster, deadline_s: float) -> list[NodeStatus]:
        """Return once all servers follow one leader and sessions can be opened on each."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        statuses: list[NodeStatus] = []
        while loop.time() < end:
            statuses = await self.status(cluster)
            leaders = [status for status in statuses if status.role == "leader"]
            ready = all(status.healthy for status in statuses) and len(leaders) == 1
            if ready and await self._serves(cluster):
                return statuses
            await self._still_alive(cluster)
            await asyncio.sleep(_POLL_S)
        said = "; ".join(f"{status.node}: {status.error or status.role}" for status in statuses)
        logs = await tail(cluster, "zookeeper.log")
        raise Broken("not-ready", f"zookeeper did not get ready within {deadline_s:g} s: {said}\n{logs}")

    async def _serves(self, cluster: Cluster) -> bool:
        """Whether every server takes a session and a write; makes the root of all keys as well."""

        async def asked(node: Node) -> bool:
            caller = Caller("ready", {node.name: node.address}, 1.0, self._client_options)
            try:
                async with caller.operation("ready") as link:
                    await caller.create(link, ROOT, None)
            except Refused as error:
                return error.code == "exists"
            except OutcomeError:
                return False
            finally:
                await caller.close()
            return True

        return all(await asyncio.gather(*(asked(node) for node in cluster.nodes)))

    async def _still_alive(self, cluster: Cluster) -> None:
        for node in cluster.nodes:
            if await node.state(self.daemon) is ProcessState.DEAD:
                logs = await tail(cluster, "zookeeper.log", only=node.name)
                raise Broken("server-died", f"zookeeper on {node.name} ended by itself:\n{logs}")

    async def client(self, nodes: Sequence[Node], timeout_s: float) -> ZooKeeperClient:
        """Open a client; its session begins with the first operation."""
        self._clients += 1
        addresses = {node.name: node.address for node in nodes}
        return ZooKeeperClient(f"client-{self._clients}", addresses, timeout_s, self._client_options)

    def log_files(self, node: Node) -> Sequence[str]:
        """The server's log and its configuration."""
        return (f"{node.directory}/zookeeper.log", f"{node.directory}/conf/zoo.cfg")


async def _status(node: Node) -> NodeStatus:
    try:
        async with asyncio.timeout(_PROBE_S):
            reader, writer = await asyncio.open_connection(node.address, PORT)
            try:
                writer.write(b"srvr")
                said = (await reader.read(1 << 16)).decode(errors="replace")
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        return NodeStatus(node.name, healthy=False, error=str(error) or type(error).__name__)
    mode, zxid, version = _MODE.search(said), _ZXID.search(said), _VERSION.search(said)
    if mode is None:
        return NodeStatus(node.name, healthy=False, error=said.strip()[:200] or "no answer to srvr")
    role = {"leader": "leader", "standalone": "leader", "follower": "follower", "observer": "learner"}.get(
        mode.group(1)
    )
    number = int(zxid.group(1), 16) if zxid else 0
    return NodeStatus(
        node=node.name,
        healthy=role is not None,
        role=role or "unknown",
        term=number >> 32,
        applied=number,
        version=version.group(1) if version else None,
    )
