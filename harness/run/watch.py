"""Watches the cluster while clients work: who leads at which term, and servers that die by themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from quorate.harness.core.node import Cluster, Node, ProcessState
from quorate.harness.core.results import Death, Leader
from quorate.harness.core.system import NodeStatus, System

_LEADERS_MAX = 10_000


class Watcher:
    """A background task that asks every node for its status at an interval and remembers what changed.

    `expected_dead` says which nodes a fault holds down right now; any other dead server died by itself. The
    task ends with `stop`; a status that is not available changes nothing.
    """

    def __init__(
        self,
        system: System,
        cluster: Cluster,
        now_ns: Callable[[], int],
        expected_dead: Callable[[], frozenset[str]],
        interval_s: float = 0.5,
    ) -> None:
        self._system = system
        self._cluster = cluster
        self._now_ns = now_ns
        self._expected_dead = expected_dead
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None
        self._dead: set[str] = set()
        self.leaders: list[Leader] = []
        self.deaths: list[Death] = []

    def start(self) -> None:
        """Begin to watch; call within the run's loop."""
        self._task = asyncio.create_task(self._watch(), name="watcher")

    async def stop(self) -> None:
        """End the task; safe to call twice."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    async def _watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._interval_s)

    async def look(self) -> list[NodeStatus]:
        """Ask once, note what changed, and return what every node said."""
        statuses = await self._system.status(self._cluster)
        time_s = self._now_ns() / 1e9
        for status in statuses:
            if status.healthy and status.role == "leader":
                self._note_leader(time_s, status)
        await self._note_deaths(time_s)
        return statuses

    def _note_leader(self, time_s: float, status: NodeStatus) -> None:
        last = self.leaders[-1] if self.leaders else None
        # A deposed leader that has not heard yet still calls itself leader: an older term is not a change.
        if last and (
            (status.term or 0) < (last.term or 0) or (status.node, status.term) == (last.node, last.term)
        ):
            return
        if len(self.leaders) < _LEADERS_MAX:
            self.leaders.append(Leader(round(time_s, 3), status.node, status.term))

    async def _note_deaths(self, time_s: float) -> None:
        expected = self._expected_dead()
        for node in self._cluster.nodes:
            dead = await self._is_dead(node)
            # What would end the run as broken is looked at twice.
            if dead and node.name not in expected | self._dead:
                dead = await self._is_dead(node)
            # Asked again after the await: the fault may have killed it in between.
            if dead and node.name not in expected | self._expected_dead() and node.name not in self._dead:
                how = await node.ended(self._system.daemon)
                self.deaths.append(Death(round(time_s, 3), node.name, how or ""))
            if dead and node.name not in expected:
                self._dead.add(node.name)
            elif not dead:
                self._dead.discard(node.name)

    async def _is_dead(self, node: Node) -> bool:
        return await node.state(self._system.daemon) is ProcessState.DEAD
