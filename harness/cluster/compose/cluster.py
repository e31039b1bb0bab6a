"""A cluster that a compose file describes: already up, then a guest there; else brought up for the run, and removed.

A project that is up stays up and keeps all it has; of ours nothing stays.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from quorate.harness.cluster import ledger
from quorate.harness.cluster.compose import fitness, leftovers, program, projects, ways
from quorate.harness.cluster.compose.asked import Asked
from quorate.harness.cluster.compose.network import ComposeNetwork
from quorate.harness.cluster.compose.node import ComposeNode
from quorate.harness.cluster.compose.projects import Container
from quorate.harness.cluster.compose.turns import Turns
from quorate.harness.cluster.docker.engine import Engine
from quorate.harness.cluster.ledger import Ledger
from quorate.harness.cluster.removal import remove_directory
from quorate.harness.cluster.running import RunningNetwork
from quorate.harness.cluster.state import state_directory
from quorate.harness.cluster.sweep import sweep_async
from quorate.harness.core.node import Network
from quorate.harness.core.outcome import Broken
from quorate.harness.core.progress import report


class ComposeCluster:
    """Containers of a compose project; satisfies the protocol `Cluster`."""

    def __init__(self, run_id: str, asked: Asked) -> None:
        self._run_id = run_id
        self._asked = asked
        self._engine = Engine()
        self._book: Ledger | None = None
        self._lock: IO[str] | None = None
        self._nodes: list[ComposeNode] = []
        self._network: ComposeNetwork | RunningNetwork = RunningNetwork()
        self._project = run_id  # until one is found that is up
        self._kept = False

    @property
    def run_id(self) -> str:
        """The name of the project, where it is brought up for the run."""
        return self._run_id

    @property
    def nodes(self) -> Sequence[ComposeNode]:
        """All members, in order; none before `up`."""
        return self._nodes

    @property
    def network(self) -> Network:
        """The network between them; nothing is cut where containers are not entered."""
        return self._network

    async def up(self) -> None:
        """Find the members, bringing the project up where it is not; a failed `up` leaves all as it was."""
        await sweep_async()
        try:
            await self._up()
        except BaseException:
            await self.down()
            raise

    async def wipe(self) -> None:
        """Their data is theirs."""

    async def down(self) -> None:
        """Remove the project that was brought up; leave somebody else's as it was."""
        book, self._book = self._book, None
        nodes, self._nodes = self._nodes, []
        lock, self._lock = self._lock, None
        try:
            if self._kept or book is None:
                return
            left = await asyncio.to_thread(leftovers.remove, self._run_id, book.records())
            for node in nodes:
                node.close_door()
            left += await asyncio.to_thread(remove_directory, self._doors())
            if left:
                book.release()  # the next sweep tries again
                raise Broken("not-removed", "; ".join(left))
            book.remove()
        finally:
            self._engine.close()
            if lock is not None:
                lock.close()

    def keep(self) -> list[str]:
        """Leave a project of ours up after `down`; somebody else's stays anyway."""
        if self._book is not None and self._project == self._run_id:
            self._book.keep()
            self._kept = True
        return [
            f"{node.name} at {node.address}:{node.port}: docker exec -it {node.container[:12]} sh"
            for node in self._nodes
        ]

    async def _up(self) -> None:
        asked = self._asked
        compose = await asyncio.to_thread(program.find, asked.file)
        found = await self._engine.call(
            lambda api: projects.of_file(api, compose.file), doing="looking for the compose project"
        )
        self._book = book = Ledger.open(self._run_id)
        if found is None:
            members = await self._bring_up(compose, book)
        else:
            self._project = found
            self._lock = _only_guest(found)
            members = await self._members()
            fitness.check_guest(members, found, self._asked)
            report(f"the compose project {found} is up already, and stays up")
            for one in members:
                book.record(ledger.GUEST, one.id)
        self._nodes = self._nodes_of(members, book)
        await asyncio.gather(*(ways.find(node, only_inner=asked.entered) for node in self._nodes))
        if asked.entered:
            self._network = network = ComposeNetwork(self._nodes)
            network.prepare()

    async def _bring_up(self, compose: program.Compose, book: Ledger) -> list[Container]:
        book.record(ledger.PROJECT, self._run_id)
        report(f"bringing up {compose.file.name} as the compose project {self._run_id}")
        await compose.create(self._run_id)
        fitness.check(await self._members(), self._asked)
        await compose.up(self._run_id)
        return await self._members()

    async def _members(self) -> list[Container]:
        return await self._engine.call(
            lambda api: projects.members(api, self._project, self._asked.members),
            doing=f"looking for the members of {self._project}",
        )

    def _nodes_of(self, members: Sequence[Container], book: Ledger) -> list[ComposeNode]:
        fitness.check(members, self._asked)
        networks = fitness.shared(members)
        entered = all(leftovers.enterable(one.pid, one.id) for one in members)
        if entered:
            book.record(ledger.DIRECTORY, str(self._doors()))
            self._doors().mkdir(parents=True, exist_ok=True)
        turns = Turns()
        return [
            ComposeNode(
                member.node,
                found,
                self._engine,
                turns,
                network=networks[0] if networks else None,
                port=member.port or self._asked.port,
                door=self._doors() / member.node if entered else None,
                note=book.record,
            )
            for member, found in zip(self._asked.members, members, strict=True)
        ]

    def _doors(self) -> Path:
        return state_directory() / "doors" / self._run_id


def _only_guest(project: str) -> IO[str]:
    """Return a lock that says which run is a guest of somebody's project; raises `Broken` where another is."""
    folder = state_directory() / "guests"
    folder.mkdir(exist_ok=True)
    file = (folder / project).open("a+")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise Broken("in-use", f"another run tests the compose project {project} just now") from None
    return file
