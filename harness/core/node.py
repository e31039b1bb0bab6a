"""The one interface of a node, wherever it lives: container, network namespace, SSH host, or simulated.

Faults, systems and log collection are written once against these protocols. Everything carries a deadline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import msgspec


class Completed(msgspec.Struct, frozen=True):
    """What a command on a node left: exit code and its output."""

    code: int
    stdout: str
    stderr: str


class Daemon(msgspec.Struct, frozen=True):
    """A server to be started on a node and known by `name` from then on.

    `log` is a path on the node to which stdout and stderr are appended. `argv[0]` is an absolute path on the node.
    """

    name: str
    argv: tuple[str, ...]
    log: str
    env: Mapping[str, str] = {}
    cwd: str = "/"


class ProcessState(StrEnum):
    """What the process table says of a daemon."""

    RUNNING = "running"
    STOPPED = "stopped"  # SIGSTOP: state T
    DEAD = "dead"  # never started, exited, or killed


class Node(Protocol):
    """One machine of the cluster."""

    @property
    def name(self) -> str:
        """Short name, unique in the cluster: n1, n2 and so on."""
        ...

    @property
    def address(self) -> str:
        """The address that peers and clients use (IPv4 literal)."""
        ...

    @property
    def port(self) -> int | None:
        """The port of its server where that was there before; None: the system's own."""
        return None

    @property
    def directory(self) -> str:
        """A writable directory on the node for this run: data, configuration, logs."""
        ...

    @property
    def netns(self) -> str | None:
        """A path on this host to the node's network namespace, or None where this process cannot enter it."""
        ...

    @property
    def logs(self) -> Sequence[str]:
        """What `get` knows as the logs of a server that somebody else set up; none where it cannot fetch any."""
        return ()

    async def run(
        self, argv: Sequence[str], *, timeout_s: float = 10.0, stdin: bytes = b"", check: bool = True
    ) -> Completed:
        """Run a command to its end; raise `Broken` when it misses the deadline, or fails and `check` is set."""
        ...

    async def put(self, source: Path, target: str, *, mode: int = 0o644) -> None:
        """Copy a file from this host to the node (directories in between are made)."""
        ...

    async def get(self, source: str, target: Path) -> None:
        """Copy a file from the node to this host; a missing file raises `Broken`."""
        ...

    async def start(self, daemon: Daemon) -> None:
        """Start a server in the background; it does not die with this call. Raise `Broken` if it cannot start."""
        ...

    async def signal(self, daemon: str, signum: int) -> None:
        """Send a signal to the daemon and all processes it started; no error if it is dead."""
        ...

    async def state(self, daemon: str) -> ProcessState:
        """What the process table says now."""
        ...

    async def ended(self, daemon: str) -> str | None:
        """Say how it ended, `exit code 2` or `killed by signal 6 (SIGABRT)`; None while it runs, or where not known."""
        del daemon
        return None

    async def pid(self, daemon: str) -> int | None:
        """The daemon's process id on this host, or None where it is dead or this process cannot see it."""
        ...


class ClientWays(Protocol):
    """Cuts between nodes and their clients. A pair is a source and a target, one of them `CLIENTS`."""

    async def cut_clients(self, pairs: frozenset[tuple[str, str]]) -> None:
        """Make exactly these directed pairs dead, and every other way of clients alive."""
        ...

    async def probe_clients(self) -> dict[tuple[str, str], bool]:
        """Send something over each way of clients, to every node and back; True where it arrived."""
        ...


class Network(Protocol):
    """Cuts between nodes. A cut is directed: (source, target) means packets from source never reach target."""

    async def cut(self, pairs: frozenset[tuple[str, str]]) -> None:
        """Make exactly these directed pairs of node names dead, and every other pair alive."""
        ...

    async def heal(self) -> None:
        """Remove every cut that this network made; never touches foreign rules."""
        ...

    async def probe(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        """Send a probe packet over each directed pair; True where it arrived."""
        ...

    async def dropped(self) -> int | None:
        """How many packets the cuts in force have swallowed; None where that is not counted."""
        ...

    @property
    def client_ways(self) -> ClientWays | None:
        """Cuts of clients; None where they cannot be distinguished from everything else on the way to a node."""
        ...


class Cluster(Protocol):
    """The nodes of one run."""

    @property
    def run_id(self) -> str:
        """The label on everything this cluster made on the host."""
        ...

    @property
    def nodes(self) -> Sequence[Node]:
        """All nodes, in order of their names."""
        ...

    @property
    def network(self) -> Network:
        """The network between them."""
        ...

    async def up(self) -> None:
        """Bring the nodes up, idle, with empty directories; sweeps what dead runs left behind first."""
        ...

    async def wipe(self) -> None:
        """Kill all daemons, empty the nodes' directories and heal the network, so that the nodes can be used again."""
        ...

    async def down(self) -> None:
        """Remove everything; safe to call twice and after a half-failed `up`."""
        ...

    def keep(self) -> list[str]:
        """Leave the cluster standing after `down` and after this process, until `quorate clean --all`.

        Returns a line for each node that says how to reach it; or why the cluster cannot be kept.
        """
        ...
