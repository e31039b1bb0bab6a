"""ZooKeeper as a system under test: lifecycle, health, clients."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final

import msgspec

from quorate.harness.core.memberlog import MemberLog
from quorate.harness.core.node import Cluster, Daemon, Node
from quorate.harness.core.settings import read
from quorate.harness.core.system import NodeDump, NodeStatus, SystemOptions
from quorate.harness.core.weak import WeakReads
from quorate.harness.systems import access
from quorate.harness.systems.access import Pems
from quorate.harness.systems.daemons import Daemons
from quorate.harness.systems.logs import tail
from quorate.harness.systems.releases.way import numbers
from quorate.harness.systems.zookeeper.client.access import PORT, Access, place
from quorate.harness.systems.zookeeper.client.caller import ClientOptions
from quorate.harness.systems.zookeeper.client.client import ZooKeeperClient
from quorate.harness.systems.zookeeper.client.kazoo_client import KazooRecipes
from quorate.harness.systems.zookeeper.operations import memberlogs
from quorate.harness.systems.zookeeper.operations.backups import BackupsOfZooKeeper
from quorate.harness.systems.zookeeper.operations.damage import DamageOfZooKeeper
from quorate.harness.systems.zookeeper.operations.ensemble import ELECTIONS, PEERS
from quorate.harness.systems.zookeeper.operations.membership import MembershipOfZooKeeper
from quorate.harness.systems.zookeeper.operations.reconfiguring import superuser
from quorate.harness.systems.zookeeper.server import adopted, health, securing
from quorate.harness.systems.zookeeper.server.configuring import first_files
from quorate.harness.systems.zookeeper.server.installing import Installed, ZooKeeperServers, java_of, unpack
from quorate.harness.systems.zookeeper.server.settings import ZooKeeperSettings, read_access
from quorate.harness.systems.zookeeper.server.tuning import KNOBS
from quorate.harness.systems.zookeeper.server.weak import PLAIN

_PERSISTENT_SINCE: Final = (3, 6)


class ZooKeeper(Daemons[Installed]):
    """ZooKeeper servers: znodes with versions, sessions, ephemerals and sequences.

    Writes are linearizable (documented). Reads come from the server asked: `plain` reads may be old; with `sync` they
    are fresh as long as no deposed leader answers (ZOOKEEPER-1675: `sync` is not a quorum operation).
    """

    name = "zookeeper"
    daemon = "zookeeper"
    client_port = PORT
    runtime = "jvm"
    image_kind = "jre"
    settings_type = ZooKeeperSettings
    own_server = "jars"
    keeps_logs = True
    of_clients = adopted.OF_CLIENTS
    adopting = adopted.ADOPTING
    knobs = KNOBS
    channels: ClassVar[Mapping[str, tuple[int, ...]]] = {"data": (PEERS,), "election": (ELECTIONS,)}
    membership: MembershipOfZooKeeper
    backups: BackupsOfZooKeeper

    def __init__(self, options: SystemOptions) -> None:
        self._settings = read(ZooKeeperSettings, options.settings)
        super().__init__(options, ZooKeeperServers(options, self._settings.jars))
        self._java = "java"
        self._clients = 0
        asked = self._servers.asked
        if self._settings.tls:
            securing.check_tls(asked)
        self._persistent = all(numbers(release) >= _PERSISTENT_SINCE for release in asked)
        self.damage = DamageOfZooKeeper(self.data)
        self._access = read_access(self._settings)
        self._nodes: Sequence[Node] = ()
        self.backups = BackupsOfZooKeeper(
            self._releases,
            self.installed,
            self._clients_options,
            lambda: self._java,
            secured=self._settings.auth,
        )
        self.membership = MembershipOfZooKeeper(
            self.daemon, self.start, self._settings, self._releases, lambda: self._access
        )

    @property
    def client_type(self) -> type[ZooKeeperClient | KazooRecipes]:
        """The client of the recipes asked for."""
        return ZooKeeperClient if self._settings.recipes == "own" else KazooRecipes

    @property
    def weak_reads(self) -> WeakReads | None:
        """Plain reads keep the order of their session; what recipes read is theirs to promise."""
        own = self._settings.recipes == "own"
        return PLAIN if own and self._settings.client.reads == "plain" else None

    async def install(self, cluster: Cluster) -> None:
        """Put the jars and a configuration on every node, and find its Java."""
        nodes = cluster.nodes
        if self.theirs:
            self._nodes, self._access = nodes, adopted.below(self._access, cluster.run_id)
            self._installed = adopted.installed(await self._versions(cluster))
            return
        self._access = await self._secured(nodes)
        await asyncio.gather(*(unpack(node, first_files(nodes, node, self._settings)) for node in nodes))
        self._java, self._installed = await asyncio.gather(java_of(nodes[0]), self._servers.install(nodes))

    async def _start(self, cluster: Cluster, node: Node) -> None:  # noqa: ARG002 - the interface's signature
        """Start the JVM with the data as it is."""
        self.membership.check(node)
        server = self.installed(node)
        root = node.directory
        argv = (
            self._java,
            f"-Xmx{self._settings.heap}",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Duser.timezone=UTC",  # the dates of its log have no zone
            *self.backups.flags(node),
            "-Dzookeeper.4lw.commands.whitelist=*",
            "-Dzookeeper.extendedTypesEnabled=true",
            f"-Dznode.container.checkIntervalMs={self._settings.container_check_ms}",
            *self._snapshots(),
            *([superuser()] if self.membership.prepared else []),
            *(securing.flags(root) if self._settings.auth else []),
            "-cp",
            f"{root}/conf:{server.jars}/*{self.backups.jars(node)}",
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            f"{root}/conf/zoo.cfg",
        )
        await node.start(Daemon(name=self.daemon, argv=argv, log=f"{root}/zookeeper.log", cwd=root))

    async def _secured(self, nodes: Sequence[Node]) -> Access:
        """Give the nodes certificates and a file of users, where asked for; return how clients are let in."""
        pems = await access.give_certificates(nodes) if self._settings.tls else Pems()
        if not self._settings.auth:
            return Access(pems=pems)
        password = securing.drawn_password()
        await asyncio.gather(*(unpack(node, securing.jaas(password)) for node in nodes))
        return Access(pems=pems, user=securing.USER, password=password)

    def _snapshots(self) -> list[str]:
        found = {"snapCount": self._settings.snap_count, "commitLogCount": self._settings.commit_log}
        return [f"-Dzookeeper.{name}={value}" for name, value in found.items() if value is not None]

    def data(self, node: Node) -> str:
        """The directory of all that the server must not forget."""
        return f"{node.directory}/data"

    async def status(self, cluster: Cluster) -> list[NodeStatus]:
        """Ask every server about itself (`srvr`), each within 300 ms, all at once; never raises."""
        told = await health.status(cluster.nodes, self._access)
        return health.voting(told, without=self.membership.joining)

    def _releases(self) -> list[str]:
        """What is installed, or before that what was asked for."""
        return [server.release for server in self._installed.values()] or list(self._servers.asked)

    async def unserved(self, nodes: Sequence[Node]) -> str:
        """Which of these servers take no session and no write, and why."""
        return await health.unserved(nodes, self._clients_options())

    async def _last_words(self, cluster: Cluster, only: str | None = None) -> str:
        return await tail(cluster, "zookeeper.log", only=only)

    async def client(self, nodes: Sequence[Node], timeout_s: float) -> ZooKeeperClient | KazooRecipes:
        """Open a client; its session begins with the first operation."""
        self._clients += 1
        name = f"client-{self._clients}"
        options = self._clients_options()
        addresses = {node.name: place(node) for node in nodes}
        if self._settings.recipes == "own":
            return ZooKeeperClient(name, addresses, timeout_s, options)
        retrying = self._settings.recipes == "kazoo-retrying"
        return KazooRecipes(name, addresses, timeout_s, options, retrying=retrying)

    def _clients_options(self) -> ClientOptions:
        return msgspec.structs.replace(
            self._settings.client, persistent=self._persistent, access=self._access
        )

    async def dump(self, cluster: Cluster, deadline_s: float = 5.0) -> list[NodeDump]:
        """Every server's tree as it alone holds it, at one zxid if that comes in time."""
        return await health.dump(cluster.nodes, self._access, deadline_s)

    def log_files(self, node: Node) -> Sequence[str]:
        """The server's log and its configuration."""
        return (f"{node.directory}/zookeeper.log", f"{node.directory}/conf/zoo.cfg")

    async def close(self) -> None:
        """Remove what the run left on somebody else's servers."""
        if self._nodes:
            await adopted.remove(self._nodes, self._access)

    async def keep_log(self, node: Node, folder: Path) -> None:
        """The server's transaction log, and its newest snapshots."""
        await memberlogs.keep(node, f"{self.data(node)}/version-2", folder)

    @classmethod
    def member_logs(cls, folder: Path, began: datetime | None) -> list[MemberLog]:
        """The servers' transaction logs, replayed."""
        return memberlogs.read_logs(folder, began)
