"""Consul as a system under test: configuration, lifecycle, health."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, cast

import aiohttp
import msgspec

from harness.cluster.node import Cluster, Daemon, Node, ProcessState
from harness.outcome import Broken
from harness.systems.consul.caller import PORT, ClientOptions, Reads
from harness.systems.consul.client import ConsulClient
from harness.systems.logs import tail
from harness.systems.releases import Server, resolve
from harness.systems.system import NodeStatus, SystemOptions

_PROBE_S: Final = 0.3
_POLL_S: Final = 0.1
_READS: Final = ("default", "consistent", "stale")


class Consul:
    """Consul servers: key-value store, sessions and locks.

    Reads are `default` as users run them (a deposed leader may answer stale for a moment, documented), `consistent`
    (each confirmed with a quorum) or `stale` (any server, no bound).
    """

    name = "consul"
    daemon = "consul"
    runtime = "go"
    settings: ClassVar[dict[str, str]] = {
        "reads": "default, consistent or stale [default]",
        "raft_multiplier": "scales raft's timeouts, 1 is fastest [1]",
        "session_ttl": "time to live of sessions in seconds, from 10 [10]",
        "lock_delay": "seconds for which a lost lock cannot be taken [0]",
        "binary": "path of a consul of your own",
    }

    def __init__(self, options: SystemOptions) -> None:
        reads = options.settings.get("reads", "default")
        if reads not in _READS:
            raise Broken("bad-setting", f'reads="{reads}": give one of {", ".join(_READS)}')
        self._options = options
        self._client_options = ClientOptions(
            reads=cast("Reads", reads),
            session_ttl_s=int(options.settings.get("session_ttl", "10")),
            lock_delay_s=float(options.settings.get("lock_delay", "0")),
        )
        self._server: Server | None = None
        self._clients = 0

    @property
    def release(self) -> str:
        """The release as resolved."""
        return self._server.title if self._server else self._options.release or "newest"

    async def install(self, cluster: Cluster) -> None:
        """Put the binary and a configuration on every node."""
        binary = self._options.settings.get("binary")
        if binary is None:
            self._server = await asyncio.to_thread(resolve, "consul", self._options.release)
            binary = str(self._server.binary)
        source = Path(binary)
        if not await asyncio.to_thread(source.is_file):
            raise Broken("no-binary", f"--set binary={binary}: there is no such file")
        await asyncio.gather(*(self._install(cluster, node, source) for node in cluster.nodes))

    async def _install(self, cluster: Cluster, node: Node, binary: Path) -> None:
        await node.put(binary, f"{node.directory}/bin/consul", mode=0o755)
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
            "log_level": "INFO",
            "ports": {"dns": -1, "grpc": -1},
            "performance": {"raft_multiplier": int(self._options.settings.get("raft_multiplier", "1"))},
        }

    async def start(self, cluster: Cluster, node: Node) -> None:  # noqa: ARG002 - the interface's signature
        """Start the agent with its data as it is."""
        root = node.directory
        argv = (f"{root}/bin/consul", "agent", f"-config-file={root}/consul.json")
        await node.start(Daemon(name=self.daemon, argv=argv, log=f"{root}/consul.log"))

    async def status(self, cluster: Cluster) -> list[NodeStatus]:
        """Ask every agent about itself; local answers, none is forwarded."""
        timeout = aiohttp.ClientTimeout(total=_PROBE_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            return list(await asyncio.gather(*(_status(http, node) for node in cluster.nodes)))

    async def wait_ready(self, cluster: Cluster, deadline_s: float) -> list[NodeStatus]:
        """Return once all agents agree on one leader that serves consistent reads."""
        loop = asyncio.get_running_loop()
        end = loop.time() + deadline_s
        statuses: list[NodeStatus] = []
        while loop.time() < end:
            statuses = await self.status(cluster)
            leaders = [status for status in statuses if status.role == "leader"]
            if (
                all(status.healthy for status in statuses)
                and len(leaders) == 1
                and await self._serves(cluster)
            ):
                return statuses
            await self._still_alive(cluster)
            await asyncio.sleep(_POLL_S)
        said = "; ".join(f"{status.node}: {status.error or status.role}" for status in statuses)
        logs = await tail(cluster, "consul.log")
        raise Broken("not-ready", f"consul did not get ready within {deadline_s:g} s: {said}\n{logs}")

    async def _serves(self, cluster: Cluster) -> bool:
        """Whether every server answers a consistent read: being elected is not yet being ready."""
        timeout = aiohttp.ClientTimeout(total=1.0)
        async with aiohttp.ClientSession(timeout=timeout) as http:

            async def asked(node: Node) -> bool:
                try:
                    async with http.get(
                        f"http://{node.address}:{PORT}/v1/kv/quorate/ready?consistent"
                    ) as answer:
                        return answer.status in {200, 404}
                except (aiohttp.ClientError, TimeoutError, OSError):
                    return False

            return all(await asyncio.gather(*(asked(node) for node in cluster.nodes)))

    async def _still_alive(self, cluster: Cluster) -> None:
        """A server that ended cannot get ready: say so at once."""
        for node in cluster.nodes:
            if await node.state(self.daemon) is ProcessState.DEAD:
                logs = await tail(cluster, "consul.log", only=node.name)
                raise Broken("server-died", f"consul on {node.name} ended by itself:\n{logs}")

    async def client(self, nodes: Sequence[Node], timeout_s: float) -> ConsulClient:
        """Open a client; connections are made at the first call."""
        self._clients += 1
        addresses = {node.name: node.address for node in nodes}
        return ConsulClient(f"client-{self._clients}", addresses, timeout_s, self._client_options)

    def log_files(self, node: Node) -> Sequence[str]:
        """The agent's log and its configuration."""
        return (f"{node.directory}/consul.log", f"{node.directory}/consul.json")


async def _status(http: aiohttp.ClientSession, node: Node) -> NodeStatus:
    try:
        async with http.get(f"http://{node.address}:{PORT}/v1/agent/self") as answer:
            content = await answer.read()
            if answer.status != 200:  # noqa: PLR2004 - HTTP's own number
                return NodeStatus(node.name, healthy=False, error=f"HTTP {answer.status}")
        about = msgspec.json.decode(content)
        raft = about["Stats"]["raft"]
    except (aiohttp.ClientError, TimeoutError, OSError, KeyError, msgspec.DecodeError) as error:
        return NodeStatus(node.name, healthy=False, error=str(error) or type(error).__name__)
    state = raft["state"].lower()
    return NodeStatus(
        node=node.name,
        healthy=state in {"leader", "follower"} and raft["last_contact"] != "never",
        role=state if state in {"leader", "follower"} else "unknown",
        term=int(raft["term"]),
        applied=int(raft["applied_index"]),
        version=about["Config"]["Version"],
    )
