"""A node that is somebody else's container: killed and started by the engine, frozen and cut off from this host.

Its server is whatever the container runs. Without a way into the container (no root, an engine on another kernel) the
engine alone kills, freezes and starts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

import docker

from quorate.harness.cluster import ledger, processes, signals
from quorate.harness.cluster.compose import projects
from quorate.harness.cluster.compose.listening import listener_of
from quorate.harness.cluster.compose.projects import Container
from quorate.harness.cluster.compose.turns import Turns
from quorate.harness.cluster.docker.engine import Engine
from quorate.harness.cluster.processes import Handle
from quorate.harness.cluster.theirs import TheirNode
from quorate.harness.core.node import Daemon, Node, ProcessState
from quorate.harness.core.outcome import Broken

_LOG_MAX: Final = 64 << 20  # bytes
_LAST_LINES: Final = 12


class ComposeNode(TheirNode, Node):
    """One container of a compose project; satisfies the protocol `Node`.

    `door` is a path that leads to the container's network namespace while it runs, kept right by this node; None
    where the container is not entered. `note` writes into the ledger what the next start must undo.
    """

    def __init__(
        self,
        name: str,
        found: Container,
        engine: Engine,
        turns: Turns,
        *,
        network: str | None,
        port: int,
        door: Path | None,
        note: Callable[[str, str], None],
    ) -> None:
        self._name = name
        self._engine = engine
        self._turns = turns
        self._network = network
        self._port = port  # where the server listens in its container
        self._door = door
        self._note = note
        self._since = int(time.time())
        self._noted = False
        self._found = found
        self._process: Handle | None = None
        self.where: tuple[str, int] | None = None  # where clients reach it, if not at the container's address
        self.restarted: Callable[[str], None] = lambda _: None  # its network namespace is a new one
        self._look_at(found)

    @property
    def name(self) -> str:
        """Short name, unique in the cluster."""
        return self._name

    @property
    def called(self) -> str:
        """Its name and its service."""
        return f"{self._name} ({self.service})"

    @property
    def service(self) -> str:
        """What the file calls it."""
        return self._found.service

    @property
    def container(self) -> str:
        """The container's id."""
        return self._found.id

    @property
    def address(self) -> str:
        """The address that clients use; its peers' too, unless its port is published only."""
        return self.where[0] if self.where is not None else self.inner_address

    @property
    def inner_address(self) -> str:
        """The container's address in the members' network, "" where they have none in common."""
        return next((one.ipv4 for one in self._found.addresses if one.network == self._network), "")

    @property
    def port(self) -> int | None:
        """The port that clients use."""
        return self._port if self.where is None else self.where[1]

    @property
    def listens(self) -> int:
        """The port of the container at which its server is to serve clients."""
        return self._port

    @property
    def published(self) -> list[tuple[str, int]]:
        """Addresses and ports of the engine's host that lead to it."""
        return [(host, outer) for inner, host, outer in self._found.published if inner == self._port]

    @property
    def on_host(self) -> bool:
        """Whether it has the network of the engine's host for its own."""
        return self._found.shares_network == "host"

    @property
    def directory(self) -> str:
        """Nothing of quorate's is kept in the container."""
        return ""

    @property
    def netns(self) -> str | None:
        """A path to the container's network namespace, which dangles while it does not run."""
        return None if self._door is None else str(self._door)

    @property
    def init(self) -> int:
        """The pid on this host of the container's first process, 0 where it does not run."""
        return self._found.pid if self.lives else 0

    @property
    def lives(self) -> bool:
        """Whether its network can be entered now."""
        return self._door is not None and self._door.exists()

    @property
    def logs(self) -> Sequence[str]:
        """What the container has written to its outputs, as the engine keeps it."""
        return (f"{self.service}.log",)

    async def get(self, source: str, target: Path) -> None:
        """Copy what the container has written since the run began; other files are not fetched."""
        if source not in self.logs:
            self.refuse(f"get {source}")
        said = (await self._log("all"))[-_LOG_MAX:]

        def keep() -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(said)

        await asyncio.to_thread(keep)

    async def said(self) -> str:
        """Return the last lines of its log, or that it has none."""
        with contextlib.suppress(Broken):
            return (await self._log(_LAST_LINES)).decode(errors="replace").strip() or "nothing"
        return "nothing that the engine keeps"

    async def _log(self, lines: int | Literal["all"]) -> bytes:
        return await self._engine.call(
            lambda api: bytes(api.logs(self.container, since=self._since, tail=lines)),
            doing=f"reading the log of {self._name}",
        )

    async def start(self, daemon: Daemon) -> None:
        """Start the container again; what runs in it is the file's affair."""
        del daemon

        def work(api: docker.APIClient) -> Container:
            api.start(self.container)
            return projects.inspect(api, self.container)

        had = self.inner_address
        doing = f"starting the container of {self._name}"
        async with self._turns.of(self._name, had):
            self._look_at(await self._engine.call(work, doing=doing))
        if self.inner_address != had and self._found.running:
            raise Broken(
                "moved",
                f"the container of {self._name} came back as {self.inner_address}, it was {had}: give the services "
                "fixed addresses (`ipv4_address`) in the file",
            )

    async def signal(self, daemon: str, signum: int) -> None:
        """Signal everything in the container; SIGKILL and SIGTERM through the engine, which then lets it rest."""
        del daemon
        if signum in (signal.SIGKILL, signal.SIGTERM):
            await self._end(signum)
        elif self._process is not None:
            await signals.deliver(self._process, signum, "", (self._found.pid,))
        elif signum in (signal.SIGSTOP, signal.SIGCONT):
            await self._freeze(frozen=signum == signal.SIGSTOP)
        else:
            self.refuse(f"send {signal.Signals(signum).name}")

    async def state(self, daemon: str) -> ProcessState:
        """Read the state from the process table, else from the engine.

        One that ended by itself is dead also where the engine has started it again, until `start`.
        """
        del daemon
        if self._process is not None:
            return processes.state(self._process)
        now = await self._now()
        if not now.running or now.started != self._found.started:
            return ProcessState.DEAD
        return ProcessState.STOPPED if now.paused else ProcessState.RUNNING

    async def ended(self, daemon: str) -> str | None:
        """Say how it ended, as the engine saw it."""
        del daemon
        now = await self._now()
        if now.running:
            return "its container ended and was started again" if now.started != self._found.started else None
        return "out of memory" if now.out_of_memory else signals.told_end(now.exit_code)

    async def pid(self, daemon: str) -> int | None:
        """Return the pid on this host of whoever listens for clients in the container."""
        if self._process is None or await self.state(daemon) is ProcessState.DEAD:
            return None
        family = processes.family(self._process)
        return await asyncio.to_thread(listener_of, family, self._port) or self._process.pid

    def close_door(self) -> None:
        """Remove the path to its namespace."""
        if self._door is not None:
            self._door.unlink(missing_ok=True)

    async def _now(self) -> Container:
        return await self._engine.call(
            lambda api: projects.inspect(api, self.container), doing=f"looking at {self._name}"
        )

    async def _end(self, signum: int) -> None:
        if not self._noted:
            self._note(ledger.ENDED, self.container)
            self._noted = True

        def work(api: docker.APIClient) -> None:
            if projects.inspect(api, self.container).running:
                # By name: a signal that the engine has sent keeps `restart:` of the file from starting it.
                api.kill(self.container, signal.Signals(signum).name)

        with contextlib.suppress(
            Broken
        ):  # it ended meanwhile; whether it is dead is for the process table to say
            await self._engine.call(work, doing=f"ending {self._name}")
        if signum == signal.SIGKILL and self._process is not None:
            await signals.await_death(self._process)

    async def _freeze(self, *, frozen: bool) -> None:
        def work(api: docker.APIClient) -> None:
            now = projects.inspect(api, self.container)
            if now.running and now.paused is not frozen:
                (api.pause if frozen else api.unpause)(self.container)

        await self._engine.call(work, doing=f"{'freezing' if frozen else 'waking'} {self._name}")

    def _look_at(self, found: Container) -> None:
        self._found = found
        if self._door is None:
            return
        self._process = processes.handle(found.pid) if found.pid else None
        draft = self._door.with_suffix(".new")
        draft.unlink(missing_ok=True)
        draft.symlink_to(f"/proc/{found.pid or 'none'}/ns/net")
        os.replace(draft, self._door)  # noqa: PTH105 - one step
        self.restarted(self._name)
