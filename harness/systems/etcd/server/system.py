"""etcd from 3.3 on: etcd's own consensus, one member a node, clients over gRPC (see docs/systems/etcd.md)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from quorate.harness.core.memberlog import MemberLog
from quorate.harness.core.node import Cluster, Daemon, Node
from quorate.harness.core.outcome import Broken
from quorate.harness.core.settings import read
from quorate.harness.core.system import NodeDump, NodeStatus, SystemOptions
from quorate.harness.core.weak import WeakReads
from quorate.harness.systems import access
from quorate.harness.systems.daemons import Daemons
from quorate.harness.systems.etcd.client.client import EtcdClient
from quorate.harness.systems.etcd.client.connection import CLIENT_PORT, Connection
from quorate.harness.systems.etcd.client.namespace import Namespace
from quorate.harness.systems.etcd.client.security import Identity, Security
from quorate.harness.systems.etcd.operations import keeping
from quorate.harness.systems.etcd.operations.backups import BackupsOfEtcd
from quorate.harness.systems.etcd.operations.damage import DamageOfEtcd
from quorate.harness.systems.etcd.operations.dumping import dump
from quorate.harness.systems.etcd.operations.failpoints import FailpointsOfEtcd
from quorate.harness.systems.etcd.operations.maintenance import Maintenance
from quorate.harness.systems.etcd.operations.memberlogs import read_logs
from quorate.harness.systems.etcd.operations.membership import MembershipOfEtcd
from quorate.harness.systems.etcd.operations.operating import OperatingEtcd
from quorate.harness.systems.etcd.server import adopted, flags, securing
from quorate.harness.systems.etcd.server.health import Health
from quorate.harness.systems.etcd.server.installing import EtcdServers, Installed
from quorate.harness.systems.etcd.server.logs import last_words, log_path
from quorate.harness.systems.etcd.server.settings import EtcdSettings, read_security
from quorate.harness.systems.etcd.server.tuning import KNOBS
from quorate.harness.systems.etcd.server.weak import SERIALIZABLE


class Etcd(Daemons[Installed]):
    """etcd, every release from 3.3 to 3.7: linearizable registers, transactions, leases, locks, watches."""

    name = "etcd"
    daemon = "etcd"
    client_port = CLIENT_PORT
    poll_s = 0.03
    same_term = True
    client_type = EtcdClient
    settings_type = EtcdSettings
    of_clients = adopted.OF_CLIENTS
    adopting = adopted.ADOPTING
    knobs = KNOBS
    keeps_logs = True
    membership: MembershipOfEtcd
    failpoints: FailpointsOfEtcd

    def __init__(self, options: SystemOptions) -> None:
        self._settings = read(EtcdSettings, options.settings)
        super().__init__(options, EtcdServers(options, self._settings.binary))
        self._health = Health(self._connect)
        self.maintenance = Maintenance(self._health)
        self.operating = OperatingEtcd(self.maintenance)
        self.backups = BackupsOfEtcd(
            self.maintenance, lambda: self._servers.asked, self.installed, self._restored
        )
        self.failpoints = FailpointsOfEtcd(self.asked, self._settings, self.maintenance)
        self.damage = DamageOfEtcd(self.data)
        self.membership = MembershipOfEtcd(
            self.maintenance, self._place, self.start, self._oldest, self.daemon
        )
        self._clients = 0
        self._space: Namespace | None = None
        self._security = read_security(self._settings)
        self._identity = Identity(self._security)
        self._nodes: Sequence[Node] = ()

    @property
    def weak_reads(self) -> WeakReads | None:
        """Serializable reads show what their member has applied; no session is promised anything beyond that."""
        return SERIALIZABLE if self._settings.client.serializable else None

    async def install(self, cluster: Cluster) -> None:
        """Put the server on every node, from the cache, the user's own binary, or the image."""
        if self.theirs:
            self._nodes, self._space = cluster.nodes, adopted.namespace(self._settings.prefix, cluster.run_id)
            self._installed = adopted.installed(await self._versions(cluster))
            return
        self._installed = await self._servers.install(cluster.nodes)
        if self._settings.tls:
            pems = await access.give_certificates(cluster.nodes)
            self._be_known(Security(**msgspec.structs.asdict(pems)))

    async def _start(self, cluster: Cluster, node: Node) -> None:
        """Start the member on one node with its data as it is; returns once the process runs."""
        server = self.installed(node)
        if node.name in self.membership.away:
            raise Broken(
                "no-member", f"{node.name} was removed from the cluster: it has nothing to start with"
            )
        joined = self.membership.joined(node)
        argv = flags.arguments(
            self._place(node),
            joined or [self._place(other) for other in cluster.nodes],
            server.numbers,
            self._settings,
            token=cluster.run_id,
            joining=joined is not None,
            more=securing.flags(node.directory) if self._settings.tls else None,
        )
        await node.start(Daemon(self.daemon, argv, log_path(node), self._environment(node)))

    async def join(self, cluster: Cluster, through: Node, node: Node) -> int:
        """Add the (installed, empty) node to a formed cluster as a learner and start it; return the member's number.

        It votes once `maintenance.promote` has succeeded, which etcd refuses until it has caught up.
        """
        here = self._place(node)
        added = await self.maintenance.add(through, here.peer_url, learner=True)
        members = await self.maintenance.members(through)
        known = [
            msgspec.structs.replace(here, name=member.name or here.name, address=_host(member.peer_urls[0]))
            for member in members
        ]
        self.membership.joins(node, known)
        await self.start(cluster, node)
        return added.id

    async def status(self, cluster: Cluster) -> list[NodeStatus]:
        """Ask every member for its status, each within 300 ms, all at once; never raises."""
        return await self._health.status(cluster.nodes)

    async def wait_ready(self, cluster: Cluster, deadline_s: float) -> list[NodeStatus]:
        """Return once all members are healthy, agree on one leader, and serve, and with auth=yes ask for passwords."""
        statuses = await super().wait_ready(cluster, deadline_s)
        await self._require_users(cluster)
        return statuses

    async def unserved(self, nodes: Sequence[Node]) -> str:
        """Which of these members answer no linearizable read, and why."""
        return "; ".join(await self._health.reads(nodes))

    async def _last_words(self, cluster: Cluster, only: str | None = None) -> str:
        nodes = [node for node in cluster.nodes if only in (None, node.name)]
        return "".join([await last_words(node) for node in nodes])

    async def client(self, nodes: Sequence[Node], timeout_s: float) -> EtcdClient:
        """Make a new logical client: with one node pinned to it, with several at the first until that fails."""
        self._clients += 1
        connections = [self._connect(node) for node in nodes]
        return EtcdClient(f"c{self._clients}", connections, timeout_s, self._settings.client)

    def _be_known(self, security: Security) -> None:
        """Let connections from now on prove themselves so."""
        self._security, self._identity = security, Identity(security)

    async def _require_users(self, cluster: Cluster) -> None:
        """With auth=yes, once: from then on every request needs a password."""
        if not self._settings.auth or self._security.user is not None:
            return
        security = securing.with_user(self._security)
        await securing.require_users(self._health.connection(cluster.nodes[0]), security)
        await self._health.close()
        self._be_known(security)

    def _connect(self, node: Node) -> Connection:
        port = node.port or CLIENT_PORT
        security, space = self._security, self._space
        return Connection(
            node.name, node.address, port, security=security, identity=self._identity, namespace=space
        )

    def _restored(self, node: Node, port: int) -> Connection:
        """Connect to a server that was restored from a backup: its users are those of the cluster."""
        user = Security(user=self._security.user, password=self._security.password)
        return Connection(f"{node.name}, restored", node.address, port, security=user)

    async def dump(self, cluster: Cluster, deadline_s: float = 5.0) -> list[NodeDump]:
        """Every member's whole store as it alone holds it, at equal applied indexes if they come in time."""
        return await dump(self._health, cluster.nodes, deadline_s)

    def log_files(self, node: Node) -> Sequence[str]:
        """The server's output."""
        return [log_path(node)]

    async def keep_log(self, node: Node, folder: Path) -> None:
        """The member's write-ahead log, as far as it still has it."""
        await keeping.keep(node, self.data(node), folder)

    @classmethod
    def member_logs(cls, folder: Path, began: datetime | None) -> list[MemberLog]:
        """The members' write-ahead logs, replayed."""
        return read_logs(folder, began)

    async def close(self) -> None:
        """Close the harness's own connections, and remove what the run left on somebody else's servers."""
        if self._space is not None:
            await adopted.remove(self._health, self._nodes, self._space)
        await self._health.close()

    def _place(self, node: Node) -> flags.Place:
        server = self.installed(node)
        scheme = "https" if self._settings.tls else "http"
        return flags.Place(node.name, node.address, server.binary, f"{node.directory}/etcd", scheme)

    def data(self, node: Node) -> str:
        """The directory of all that the member must not forget."""
        return self._place(node).data

    def _oldest(self) -> tuple[int, ...]:
        return min((server.numbers for server in self._installed.values()), default=())

    def _environment(self, node: Node) -> dict[str, str]:
        built_with = "+failpoints" in self.installed(node).release or self._settings.binary is not None
        return self.failpoints.environment(node, built_with=built_with)


def _host(url: str) -> str:
    """The address in http://address:port."""
    return url.rpartition("//")[2].rpartition(":")[0]
