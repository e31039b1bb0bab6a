"""A system under test: how it is installed, started, asked for its health, and talked to.

`System` declares everything that a run, a fault, `quorate list` and `hunt` ask of a system, each with its moment and
its default. `harness/systems/daemons.py` has the base of systems that run as one daemon on each node.
"""

from __future__ import annotations

import abc
import signal
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import msgspec

from quorate.harness.core import registry
from quorate.harness.core.backup import Backups
from quorate.harness.core.capabilities import Client
from quorate.harness.core.clock import Clock
from quorate.harness.core.damage import Damage
from quorate.harness.core.failpoints import Failpoints
from quorate.harness.core.memberlog import MemberLog
from quorate.harness.core.membership import Membership
from quorate.harness.core.node import Cluster, Node
from quorate.harness.core.operating import Operating
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.settings import NoSettings, described
from quorate.harness.core.tuning import Knob
from quorate.harness.core.weak import WeakReads

if TYPE_CHECKING:
    from quorate.harness.core.workload import Workload

Part = TypeVar("Part")


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
    """The whole state of one node, as it alone reports it, for divergence checks.

    `position` is how far it has applied what was agreed on (raft index, zxid): two nodes must hold equal `contents`
    where their positions are equal, and cannot be compared where they are not. `error` is why nothing is known.
    """

    node: str
    position: int | None = None
    contents: Mapping[str, Any] = {}
    error: str | None = None


class Planted(msgspec.Struct, frozen=True):
    """A bug that was switched on by a setting, and how often it made a server do otherwise than a correct one."""

    bug: str
    acts: int


class System(abc.ABC):
    """Lifecycle and clients of a service at one release. One instance serves one cluster.

    Before a run several instances are made, to see whether the options fit together; only one is used. Hooks stand in
    the order in which a run calls them. What cannot be asked for raises `UsageError`; what this machine or the service
    cannot do raises `Broken`, with what to do about it.
    """

    # Declarations.
    name: ClassVar[str]  # as registered
    daemon: ClassVar[str]  # the name of its daemon on every node
    settings_type: ClassVar[type[msgspec.Struct]] = NoSettings  # `--set NAME=…` (core/settings.py)
    virtual: ClassVar[bool] = False  # it runs in this process, in virtual time, on `own_cluster`
    image_kind: ClassVar[Literal["base", "jre"]] = "base"  # what node images must have for its servers
    runtime: ClassVar[Literal["go", "jvm"]] = "go"  # what its clocks may be skewed like
    client_port: ClassVar[int] = 0  # where servers of somebody else's serve clients unless it is said
    own_server: ClassVar[str] = "binary"  # the setting that gives a server of the user's own
    of_clients: ClassVar[frozenset[str]] = (
        frozenset()
    )  # settings that make sense alone where the servers are not quorate's
    knobs: ClassVar[tuple[Knob, ...]] = ()  # what `--set tuning=` turns
    channels: ClassVar[
        Mapping[str, tuple[int, ...]]
    ] = {}  # kinds of connections between servers, by their ports
    dumps: ClassVar[bool] = False  # whether `dump` can be asked for
    upgrades: ClassVar[bool] = False  # whether `upgrade` can be asked for
    on_disk: ClassVar[bool] = False  # whether `data` can be asked for
    keeps_logs: ClassVar[bool] = False  # whether `keep_log` and `member_logs` can be asked for

    # What faults of the same names ask for; None: they are refused before anything starts.
    membership: Membership | None = None
    damage: Damage | None = None
    failpoints: Failpoints | None = None
    operating: Operating | None = None
    backups: Backups | None = None

    # Whether the servers are somebody else's (`adopt`): none is started before the load, and none dumped.
    theirs: bool = False

    # Before the run: no host may be touched.
    @abc.abstractmethod
    def __init__(self, options: SystemOptions) -> None:
        """Take the options; raise `UsageError` for those that make no sense."""

    def tune(self, kind: str, rng: Random) -> dict[str, str]:
        """Return the settings that `--set tuning=KIND` adds; raise `UsageError` for one that the release lacks."""
        del kind, rng
        return {}

    def adopt(self, workloads: Sequence[str]) -> None:
        """Take note that the servers are not quorate's (--cluster running, --cluster compose).

        Nothing is installed or configured then, and nothing outside a prefix is touched. Raises `UsageError` for a
        workload that cannot keep to a prefix, and for settings of a server.
        """
        del workloads
        raise UsageError(f"--cluster running, compose: {self.name} cannot be tested so yet")

    @property
    def weak_reads(self) -> WeakReads | None:
        """The promise of the reads asked for, where it is weaker than linearizable; else None."""
        return None

    @property
    @abc.abstractmethod
    def client_type(self) -> type[Client]:
        """What `client` gives: its class says which capabilities there are, before anything runs."""

    def fits(self, workload: Workload) -> None:  # noqa: B027 - hooks do nothing unless overridden
        """Raise `UsageError` where a planted bug can never come out with this workload."""

    def unobtainable(self) -> str | None:
        """Return why the server that was asked for cannot be had on this machine, with the other ways, or None.

        Asked right before the cluster is built; raises `UsageError` for a path that does not exist.
        """
        return None

    @classmethod
    def own_cluster(cls, run_id: str, names: Sequence[str], rng: Random, clock: Clock) -> Cluster:
        """Return the cluster of a virtual system."""
        del run_id, names, rng, clock
        raise Broken("no-cluster", f"{cls.name} brings no cluster")

    # The run: install, start on every node, wait_ready, then clients and faults under load.
    @abc.abstractmethod
    async def install(self, cluster: Cluster) -> None:
        """Put the server on every node (from the cache of releases); raises `Broken` with the other ways."""

    @property
    @abc.abstractmethod
    def release(self) -> str:
        """The release as resolved, e.g. "3.7.3 (built from the Go module)"."""

    @abc.abstractmethod
    async def start(self, cluster: Cluster, node: Node) -> None:
        """Start the server on one node with its data as it is; returns once the process runs, not once healthy.

        Faults call it too.
        """

    @abc.abstractmethod
    async def status(self, cluster: Cluster) -> list[NodeStatus]:
        """Ask every node, each with a short deadline (≤ 300 ms), all at once; never raises for a dead node."""

    @abc.abstractmethod
    async def wait_ready(self, cluster: Cluster, deadline_s: float) -> list[NodeStatus]:
        """Return once all nodes are healthy with one leader; raise `Broken` with the last lines of the logs."""

    @abc.abstractmethod
    async def client(self, nodes: Sequence[Node], timeout_s: float) -> Client:
        """Connect a new logical client to these nodes (one: pinned to it); each call keeps the deadline."""

    async def unserved(self, nodes: Sequence[Node]) -> str | None:
        """Which of these nodes do not answer what a quorum must confirm, and why; empty where all do.

        Where all do, whoever leads has applied everything that had ever been agreed on when it was asked: a new leader
        of raft must agree on an entry first, and one of ZooKeeper's has been synchronised with a quorum.
        None: nodes cannot be asked for such a thing.
        """
        del nodes
        return None

    async def stop(self, node: Node) -> None:
        """End a server as its operators do; it may be alive still on return."""
        await node.signal(self.daemon, signal.SIGTERM)

    async def upgrade(self, cluster: Cluster, node: Node, release: str) -> None:
        """Stop one server in good order and start it as another release, data kept; returns once the process runs."""
        del cluster, node
        raise Broken("no-upgrade", f"{self.name} cannot be upgraded to {release} here")

    def data(self, node: Node) -> str:
        """Return the directory on a node of all that its server must not forget."""
        del node
        raise Broken("no-data", f"{self.name} keeps its data on no disk")

    # After the load.
    def planted(self, cluster: Cluster) -> Planted | None:
        """Return the bug that was switched on, and how often it has acted; None without one."""
        del cluster
        return None

    async def dump(self, cluster: Cluster, deadline_s: float) -> list[NodeDump]:
        """Ask every node alone for its whole state, waiting for equal positions until the deadline.

        Called once the cluster has recovered. Never raises for a dead node.
        """
        del cluster, deadline_s
        return []

    @abc.abstractmethod
    def log_files(self, node: Node) -> Sequence[str]:
        """Paths on the node that are worth keeping, the server's own log first."""

    def logs(self, node: Node) -> Sequence[str]:
        """Return what `node.get` can fetch of its server's words: `log_files`, or what somebody else's node offers."""
        return node.logs if self.theirs else self.log_files(node)

    async def keep_log(self, node: Node, folder: Path) -> None:
        """Copy the log of one member, dead or alive, into a folder of this host; raise `Broken` where that fails.

        The folder is nodes/NODE/wal of the run, and exists.
        """
        del node, folder
        raise Broken("no-log", f"the members' logs of {self.name} are not read")

    @classmethod
    def member_logs(cls, folder: Path, began: datetime | None) -> list[MemberLog]:
        """Read the logs of all members from the folder of a run, without a cluster; a damaged one says so in `notes`.

        `began` is the date of the history's time 0. Empty where the run kept no logs.
        """
        del folder, began
        return []

    async def close(self) -> None:  # noqa: B027
        """Close connections of the harness's own, at the end of a run; servers may be dead."""

    @classmethod
    def described(cls) -> dict[str, str]:
        """Return name to description of its settings."""
        return described(cls.settings_type)


def registered(name: str) -> type[System]:
    """Return the class of a registered system.

    Raises `UnknownNameError` with the nearest match, and `Broken` that names the plug-in where it cannot be loaded or
    is not a `System`.
    """
    found = registry.find("systems", name)
    if not (isinstance(found, type) and issubclass(found, System)):
        raise Broken("plug-in", f"{registry.origin('systems', name)} {_UNDERIVED}")
    return found


def offered(part: Part | None, sentence: str) -> Part:
    """Return what a system offers to faults; raise `UsageError` with the sentence where it offers none."""
    if part is None:
        raise UsageError(sentence)
    return part


_UNDERIVED = (
    "is not a subclass of quorate.harness.core.system.System; derive it from that (docs/extending.md)"
)
