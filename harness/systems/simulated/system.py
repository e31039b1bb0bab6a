"""The simulated system: lifecycle and clients, so that everything runs in virtual time without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Annotated, Final

import msgspec

from quorate.harness.core.clock import Clock, until
from quorate.harness.core.memberlog import MemberLog
from quorate.harness.core.node import Cluster, Daemon, Node
from quorate.harness.core.outcome import Broken
from quorate.harness.core.settings import about, read
from quorate.harness.core.system import NodeStatus, Planted, System, SystemOptions
from quorate.harness.core.test import UsageError
from quorate.harness.core.weak import WeakReads
from quorate.harness.core.workload import Workload
from quorate.harness.systems.simulated import memberlogs
from quorate.harness.systems.simulated.backups import BackupsOfSimulated
from quorate.harness.systems.simulated.bugs import BUGS, acts_on
from quorate.harness.systems.simulated.client import SimulatedClient
from quorate.harness.systems.simulated.cluster import DAEMON, SimulatedCluster, SimulatedNode

_POLL_S: Final = 0.02
SESSION_READS: Final = WeakReads(
    mode="reads=session",
    says="any replica answers a read that has applied all that its session has seen and written",
    link="docs/decisions/simulation.md",
    monotonic=True,
    own_writes=True,
)


class SimulatedSettings(msgspec.Struct, frozen=True):
    """Settings of the simulated system."""

    bug: Annotated[str, about("a bug to switch on", choices={"none": "a correct store", **BUGS})] = "none"
    reads: Annotated[
        str,
        about(
            "who answers reads",
            choices={
                "linearizable": "the leader, with a quorum",
                "session": "any replica that has what the session saw and wrote",
            },
        ),
    ] = "linearizable"


class Simulated(System):
    """A replicated store in this process: honest unless `--set bug=NAME` makes it otherwise."""

    name = "simulated"
    daemon = DAEMON
    client_type = SimulatedClient
    settings_type = SimulatedSettings
    virtual = True
    keeps_logs = True

    def __init__(self, options: SystemOptions) -> None:
        """Raise `UsageError` for a bug that does not exist, and for a release."""
        if options.release is not None:
            raise UsageError(f"simulated@{options.release}: simulated has no releases; write simulated")
        settings = read(SimulatedSettings, options.settings)
        self.reads = settings.reads
        self.bug = None if settings.bug == "none" else settings.bug
        self.backups = BackupsOfSimulated()

    def fits(self, workload: Workload) -> None:
        """Raise `UsageError` for a bug that can never come out with this workload."""
        if self.bug is not None and not acts_on(self.bug, workload.needs):
            raise UsageError(
                f"--set bug={self.bug} does nothing with {workload.name}: {self.bug}: {BUGS[self.bug]}"
            )
        if self.bug == "session-forgotten" and self.reads != "session":
            raise UsageError("--set bug=session-forgotten does nothing without --set reads=session")

    @property
    def weak_reads(self) -> WeakReads | None:
        """Return what is promised of session reads."""
        return SESSION_READS if self.reads == "session" else None

    def planted(self, cluster: Cluster) -> Planted | None:
        """Return how often the bug has acted; None without one."""
        return None if self.bug is None else Planted(self.bug, _simulated(cluster).bug_acts)

    @property
    def release(self) -> str:
        """Return what is simulated."""
        return f"simulated with {self.bug}" if self.bug else "simulated, correct"

    @classmethod
    def own_cluster(cls, run_id: str, names: Sequence[str], rng: Random, clock: Clock) -> SimulatedCluster:
        """Return nodes that live in this process."""
        return SimulatedCluster(run_id, list(names), rng, clock)

    async def install(self, cluster: Cluster) -> None:
        """Give the cluster its bug."""
        simulated = _simulated(cluster)
        simulated.bug, simulated.session_reads = self.bug, self.reads == "session"

    async def start(self, cluster: Cluster, node: Node) -> None:
        """Start the server on one node with its disk as it is."""
        _simulated(cluster)
        await node.start(
            Daemon(name=DAEMON, argv=("/simulated/server",), log=f"{node.directory}/{DAEMON}.log")
        )

    async def status(self, cluster: Cluster) -> list[NodeStatus]:
        """Ask every node."""
        simulated = _simulated(cluster)
        await asyncio.sleep(simulated.network.latency_s())
        return [_status(node) for node in simulated.nodes]

    async def wait_ready(self, cluster: Cluster, deadline_s: float) -> list[NodeStatus]:
        """Return once all nodes follow one leader; raise `Broken` with what they say of themselves instead."""

        def ready(statuses: list[NodeStatus]) -> bool:
            leaders = sum(status.role == "leader" for status in statuses)
            return leaders == 1 and all(status.healthy for status in statuses)

        found = await until(lambda: self.status(cluster), ready, deadline_s=deadline_s, poll_s=_POLL_S)
        if not ready(found):
            raise Broken("not-ready", f"not healthy after {deadline_s:g} s: {found}")
        return found

    async def client(self, nodes: Sequence[Node], timeout_s: float) -> SimulatedClient:
        """Connect to these nodes; raise `Refused` where none accepts."""
        own = []
        for node in nodes:
            if not isinstance(node, SimulatedNode):
                raise Broken("simulated", f"{node.name} is a real node; use --cluster simulated")
            own.append(node)
        client = SimulatedClient(own[0].cluster, own, timeout_s)
        await client.connect()
        return client

    async def keep_log(self, node: Node, folder: Path) -> None:
        """Write the replica's log, and what it holds, as it is now."""
        if isinstance(node, SimulatedNode):
            await asyncio.to_thread(memberlogs.keep, node, folder)

    @classmethod
    def member_logs(cls, folder: Path, began: datetime | None) -> list[MemberLog]:
        """Read the replicas' logs, replayed; the date of the run does not matter in virtual time."""
        del began
        return memberlogs.read(folder)

    def log_files(self, node: Node) -> Sequence[str]:
        """Return the server's log."""
        return [f"{node.directory}/{DAEMON}.log"]


def _simulated(cluster: Cluster) -> SimulatedCluster:
    if not isinstance(cluster, SimulatedCluster):
        raise Broken("simulated", "the simulated system runs on --cluster simulated only")
    return cluster


def _status(node: SimulatedNode) -> NodeStatus:
    replica = node.replica
    if replica is None:
        return NodeStatus(node.name, healthy=False, error="connection refused")
    if replica.paused:
        return NodeStatus(node.name, healthy=False, error="no answer")
    return NodeStatus(
        node.name,
        healthy=replica.leader is not None,
        role="leader" if replica.role == "leader" else "follower",
        term=replica.disk.term,
        applied=replica.applied,
        version="1",
        error=None if replica.leader is not None else "no leader",
    )
