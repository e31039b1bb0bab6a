"""Consul as a system under test: configuration, lifecycle, health."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from quorate.harness.core.memberlog import MemberLog
from quorate.harness.core.node import Cluster, Daemon, Node
from quorate.harness.core.settings import read
from quorate.harness.core.system import NodeDump, NodeStatus, SystemOptions
from quorate.harness.core.weak import WeakReads
from quorate.harness.systems import access
from quorate.harness.systems.access import Pems
from quorate.harness.systems.consul.client.access import PORT, Access, place
from quorate.harness.systems.consul.client.client import ConsulClient
from quorate.harness.systems.consul.operations import memberlogs
from quorate.harness.systems.consul.operations.backups import BackupsOfConsul
from quorate.harness.systems.consul.operations.damage import DamageOfConsul
from quorate.harness.systems.consul.operations.membership import MembershipOfConsul
from quorate.harness.systems.consul.server import adopted, health, securing
from quorate.harness.systems.consul.server.installing import ConsulServers, Installed
from quorate.harness.systems.consul.server.settings import ConsulSettings, read_access
from quorate.harness.systems.consul.server.tuning import KNOBS
from quorate.harness.systems.consul.server.weak import WEAK
from quorate.harness.systems.daemons import Daemons
from quorate.harness.systems.logs import tail


class Consul(Daemons[Installed]):
    """Consul servers: key-value store, sessions and locks.

    Reads are `default` as users run them (a deposed leader may answer stale for a moment, documented), `consistent`
    (each confirmed with a quorum) or `stale` (any server, no bound).
    """

    name = "consul"
    daemon = "consul"
    client_port = PORT
    runtime = "go"
    client_type = ConsulClient
    settings_type = ConsulSettings
    of_clients = adopted.OF_CLIENTS
    adopting = adopted.ADOPTING
    knobs = KNOBS
    keeps_logs = True
    channels: ClassVar[Mapping[str, tuple[int, ...]]] = {"rpc": (8300,), "gossip": (8301, 8302)}
    membership: MembershipOfConsul

    def __init__(self, options: SystemOptions) -> None:
        self._settings = read(ConsulSettings, options.settings)
        super().__init__(options, ConsulServers(options, self._settings.binary))
        self._clients = 0
        self.damage = DamageOfConsul(self.data)
        self.membership = MembershipOfConsul(self.daemon, self.start, lambda: self._access)
        self.backups = BackupsOfConsul(self.installed, lambda: self._access)
        self._access = read_access(self._settings)  # the harness's own
        self._let_in = self._access  # the clients'
        self._nodes: Sequence[Node] = ()

    @property
    def weak_reads(self) -> WeakReads | None:
        """What is documented of the mode; neither promises sessions or a bound."""
        return WEAK.get(self._settings.client.reads)

    async def install(self, cluster: Cluster) -> None:
        """Put the binary and a configuration on every node."""
        if self.theirs:
            self._nodes = cluster.nodes
            self._access = self._let_in = adopted.below(self._access, cluster.run_id)
            self._installed = adopted.installed(await self._versions(cluster))
            return
        self._installed = await self._servers.install(cluster.nodes)
        pems = await access.give_certificates(cluster.nodes) if self._settings.tls else Pems()
        token = securing.drawn_token() if self._settings.auth else None
        self._access = self._let_in = Access(pems=pems, token=token)
        await asyncio.gather(*(self._configure(cluster, node) for node in cluster.nodes))

    async def _configure(self, cluster: Cluster, node: Node) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(self._configuration(cluster, node), file)
            file.flush()
            await node.put(Path(file.name), f"{node.directory}/consul.json")

    def _configuration(self, cluster: Cluster, node: Node) -> dict[str, Any]:
        others = [other.address for other in cluster.nodes if other.name != node.name]
        return {
            "server": True,
            "node_name": node.name,
            "datacenter": "quorate",
            "data_dir": f"{node.directory}/data",
            "bind_addr": node.address,
            "client_addr": node.address,
            "bootstrap_expect": len(cluster.nodes),
            "retry_join": others,
            "retry_interval": "1s",
            "disable_update_check": True,
            "disable_host_node_id": True,
            "leave_on_terminate": False,
            # A server that is stopped in good order must not take itself out of its cluster.
            "skip_leave_on_interrupt": True,
            "log_level": "INFO",
            # No limit: all clients come from one address, each with its own connections.
            "limits": {"http_max_conns_per_client": 0},
            "ports": {"dns": -1, "grpc": -1},
            **(securing.tls_configuration(node.directory) if self._settings.tls else {}),
            **(securing.acl_configuration(self._access.token) if self._access.token else {}),
            "autopilot": {"cleanup_dead_servers": self._settings.cleanup_dead_servers},
            **self._snapshots(),
            "performance": {
                "raft_multiplier": self._settings.raft_multiplier,
                "rpc_hold_timeout": f"{self._settings.rpc_hold_s:g}s",
            },
        }

    def _snapshots(self) -> dict[str, Any]:
        """How often raft makes one; Consul's own is every 16,384 entries, which most runs never reach."""
        threshold, trailing = self._settings.snapshot_threshold, self._settings.trailing_logs
        often = (
            {}
            if threshold is None
            else {"raft_snapshot_threshold": threshold, "raft_snapshot_interval": "1s"}
        )
        return often if trailing is None else {**often, "raft_trailing_logs": trailing}

    async def _start(self, cluster: Cluster, node: Node) -> None:  # noqa: ARG002 - the interface's signature
        """Start the agent with its data as it is."""
        self.membership.check(node)
        root = node.directory
        argv = (self.installed(node).binary, "agent", f"-config-file={root}/consul.json")
        processors = self._settings.processors
        env = {"GOMAXPROCS": str(processors)} if processors else {}
        await node.start(Daemon(name=self.daemon, argv=argv, log=f"{root}/consul.log", env=env))

    def data(self, node: Node) -> str:
        """The directory of all that the server must not forget."""
        return f"{node.directory}/data"

    async def wait_ready(self, cluster: Cluster, deadline_s: float) -> list[NodeStatus]:
        """Return once all servers are healthy, agree on one leader, and serve, and know the clients' token."""
        statuses = await super().wait_ready(cluster, deadline_s)
        if self._settings.auth and self._let_in is self._access:
            token = await securing.clients_token(cluster.nodes, self._access)
            self._let_in = msgspec.structs.replace(self._access, token=token)
        return statuses

    async def status(self, cluster: Cluster) -> list[NodeStatus]:
        """Ask every agent about itself, each within 300 ms, all at once; never raises."""
        return await health.status(cluster.nodes, self._access)

    async def unserved(self, nodes: Sequence[Node]) -> str:
        """Which of these servers answer no consistent read, and why."""
        return await health.unserved(nodes, self._access)

    async def _last_words(self, cluster: Cluster, only: str | None = None) -> str:
        return await tail(cluster, "consul.log", only=only)

    async def client(self, nodes: Sequence[Node], timeout_s: float) -> ConsulClient:
        """Open a client; connections are made at the first call."""
        self._clients += 1
        addresses = {node.name: place(node) for node in nodes}
        options = msgspec.structs.replace(self._settings.client, access=self._let_in)
        return ConsulClient(f"client-{self._clients}", addresses, timeout_s, options)

    async def dump(self, cluster: Cluster, deadline_s: float = 5.0) -> list[NodeDump]:
        """Every server's keys as it alone holds them, at equal applied indexes if they come in time."""
        return await health.dump(cluster.nodes, self._access, deadline_s)

    def log_files(self, node: Node) -> Sequence[str]:
        """The agent's log and its configuration."""
        return (f"{node.directory}/consul.log", f"{node.directory}/consul.json")

    async def keep_log(self, node: Node, folder: Path) -> None:
        """The server's raft log, and its newest snapshots."""
        await memberlogs.keep(node, f"{self.data(node)}/raft", folder)

    @classmethod
    def member_logs(cls, folder: Path, began: datetime | None) -> list[MemberLog]:
        """The servers' raft logs, replayed."""
        return memberlogs.read_logs(folder, began)

    async def close(self) -> None:
        """Remove what the run left on somebody else's servers."""
        if self._nodes:
            await adopted.remove(self._nodes, self._access)
