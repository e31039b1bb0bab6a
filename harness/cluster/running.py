"""A cluster that is already there: only its clients' side is used, and nothing on its hosts is touched."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.cluster.theirs import TheirNode
from quorate.harness.core.node import Daemon, ProcessState
from quorate.harness.core.outcome import Broken, UsageError

_CONNECT_S: Final = 3.0
_PORT_MAX: Final = 65535


class Endpoint(msgspec.Struct, frozen=True):
    """Where a member serves clients."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def endpoint(text: str) -> Endpoint:
    """Read HOST:PORT; a scheme before it is passed over. Raises `UsageError`."""
    plain = text.strip().removeprefix("https://").removeprefix("http://").rstrip("/")
    host, _, port = plain.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= _PORT_MAX:
        raise UsageError(f"--endpoints {text}: write HOST:PORT, as in db1.example.org:2379")
    return Endpoint(host, int(port))


def unreachable(text: str) -> str | None:
    """Return why no server listens there, or None; waits a few seconds at most."""
    where = endpoint(text)
    try:
        socket.create_connection((where.host, where.port), _CONNECT_S).close()
    except OSError as error:
        return str(error)
    return None


class RunningNode(TheirNode):
    """A member that the user runs: only its address is known."""

    def __init__(self, name: str, where: Endpoint) -> None:
        self.name = name
        self.address = where.host
        self.port: int | None = where.port
        self.directory = ""
        self.netns: str | None = None
        self.logs: Sequence[str] = ()

    @property
    def called(self) -> str:
        """Its name and address."""
        return f"{self.name} ({self.address})"

    async def get(self, source: str, target: Path) -> None:
        """Not possible."""
        del target
        self.refuse(f"get {source}")

    async def start(self, daemon: Daemon) -> None:
        """Not possible."""
        self.refuse(f"start {daemon.name}")

    async def signal(self, daemon: str, signum: int) -> None:
        """Not possible."""
        del signum
        self.refuse(f"signal {daemon}")

    async def state(self, daemon: str) -> ProcessState:
        """Say that it runs: whether it does is seen by its clients alone."""
        del daemon
        return ProcessState.RUNNING

    async def ended(self, daemon: str) -> None:
        """Not seen from here."""
        del daemon

    async def pid(self, daemon: str) -> None:
        """Not seen from here."""
        del daemon


class RunningNetwork:
    """Somebody else's network: nothing is cut."""

    async def cut(self, pairs: frozenset[tuple[str, str]]) -> None:
        """Refuse to cut anything."""
        if pairs:
            raise Broken("not-ours", "the network of a cluster that is already there is not cut")

    async def heal(self) -> None:
        """Nothing was cut."""

    async def probe(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        """Nothing is known."""
        return dict.fromkeys(pairs, True)

    async def dropped(self) -> None:
        """Nothing is cut."""

    @property
    def client_ways(self) -> None:
        """Clients are not cut from servers that are not quorate's."""


class RunningCluster:
    """Members by their endpoints, named n1 and on in the order given."""

    def __init__(self, run_id: str, endpoints: Sequence[str]) -> None:
        self.run_id = run_id
        self.nodes = [RunningNode(f"n{at}", endpoint(text)) for at, text in enumerate(endpoints, start=1)]
        self.network = RunningNetwork()

    async def up(self) -> None:
        """Check that every endpoint takes connections; raises `Broken` with those that do not."""

        async def look(node: RunningNode) -> str | None:
            why = await asyncio.to_thread(unreachable, f"{node.address}:{node.port}")
            return f"{node.address}:{node.port}: {why}" if why else None

        wrong = [why for why in await asyncio.gather(*map(look, self.nodes)) if why]
        if wrong:
            raise Broken("not-there", f"no server answers at {'; '.join(wrong)}")

    async def wipe(self) -> None:
        """Nothing here is ours."""

    async def down(self) -> None:
        """Nothing here is ours."""

    def keep(self) -> list[str]:
        """It stays anyway."""
        return ["cannot be left standing by quorate: it is not ours"]
