"""A system under test: how it is installed, started, asked for its health, and talked to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

from quorate.harness.core.capabilities import Client
from quorate.harness.core.node import Cluster, Node

if TYPE_CHECKING:
    from quorate.harness.core.workload import Workload


class SystemOptions(msgspec.Struct, frozen=True):
    """What a system is made from: the release asked for (None: its default) and the `--set` options for it.

    `build` is a checkout to build the server from: DIR[@REV].
    """

    release: str | None = None
    image: str | None = None
    build: str | None = None
    settings: Mapping[str, str] = {}


class NodeStatus(msgspec.Struct, frozen=True):
    """One node as it describes itself: `role` is leader, follower, learner or unknown; `error` why it was silent."""

    node: str
    healthy: bool
    role: str = "unknown"
    term: int | None = None
    applied: int | None = None
    version: str | None = None
    error: str | None = None


class NodeDump(msgspec.Struct, frozen=True):
    """The whole state of one node, as it alone tells it, for divergence checks.

    `position` is how far it has applied what was agreed on (raft index, zxid): two nodes must hold equal `contents`
    where their positions are equal, and cannot be compared where they are not. `error` is why nothing is known.
    """

    node: str
    position: int | None = None
    contents: Mapping[str, Any] = {}
    error: str | None = None


@runtime_checkable
class Dumps(Protocol):
    """A system whose nodes can each be asked for their whole state."""

    async def dump(self, cluster: Cluster, deadline_s: float) -> list[NodeDump]:
        """Ask every node alone, waiting for equal positions until the deadline; never raises for a dead node."""
        ...


@runtime_checkable
class Confirms(Protocol):
    """A system whose nodes can be asked for what a quorum must confirm."""

    async def unserved(self, nodes: Sequence[Node]) -> str:
        """Which of these nodes do not answer such a request, and why; empty where all do.

        Where all do, whoever leads has applied everything that had ever been agreed on when it was asked: a new leader
        of raft must agree on an entry of its own first, and one of ZooKeeper's has been synchronised with a quorum.
        """
        ...


@runtime_checkable
class Obtains(Protocol):
    """A system that knows beforehand whether its server can be had on this machine."""

    def unobtainable(self) -> str | None:
        """Return why the server that was asked for cannot be had, with the other ways; None where it may be.

        Raises `UsageError` for a path that does not exist.
        """
        ...


@runtime_checkable
class Adopts(Protocol):
    """A system whose clients can be let loose on a cluster that was there before the run."""

    def adopt(self, workloads: Sequence[str]) -> None:
        """Be told that the nodes are somebody else's: nothing is installed or started, and nothing outside the prefix.

        Raises `UsageError` for a workload that cannot keep to a prefix, and for settings of a server.
        """
        ...


@runtime_checkable
class Closes(Protocol):
    """A system that holds connections of the harness's own."""

    async def close(self) -> None:
        """Close them, at the end of a run."""
        ...


class Planted(msgspec.Struct, frozen=True):
    """A bug that was switched on by a setting, and how often it made a server do otherwise than a correct one."""

    bug: str
    acts: int


@runtime_checkable
class Plants(Protocol):
    """A system in which bugs can be switched on; a run in which the bug never acted proves nothing."""

    def fits(self, workload: Workload) -> None:
        """Raise `UsageError` for a bug that can never come out with this workload."""
        ...

    def planted(self, cluster: Cluster) -> Planted | None:
        """Return the bug and how often it has acted; None without one."""
        ...


class System(Protocol):
    """Lifecycle and clients of a service at one release. One instance serves one cluster."""

    name: str
    daemon: str  # the name of its daemon on every node

    @property
    def client_type(self) -> type[Client]:
        """What `client` gives: its class says which capabilities there are, before anything runs."""
        ...

    @property
    def release(self) -> str:
        """The release as resolved, e.g. "3.7.3 (built from the Go module)"."""
        ...

    async def install(self, cluster: Cluster) -> None:
        """Put the server on every node (from the cache of releases); raises `Broken` with the other ways."""
        ...

    async def start(self, cluster: Cluster, node: Node) -> None:
        """Start the server on one node with its data as it is; returns once the process runs, not once healthy."""
        ...

    async def status(self, cluster: Cluster) -> list[NodeStatus]:
        """Ask every node, each with a short deadline (≤ 300 ms), all at once; never raises for a dead node."""
        ...

    async def wait_ready(self, cluster: Cluster, deadline_s: float) -> list[NodeStatus]:
        """Return once all nodes are healthy with one leader; raise `Broken` with the last lines of the logs."""
        ...

    async def client(self, nodes: Sequence[Node], timeout_s: float) -> Client:
        """Connect a new logical client to these nodes (one: pinned to it); each call keeps the deadline."""
        ...

    def log_files(self, node: Node) -> Sequence[str]:
        """Paths on the node that are worth keeping."""
        ...
