"""Kill servers with SIGKILL: memory is lost, connections break, and what was acknowledged must be on disk.

The server starts again at the healing, with its data as it is. Proved by the process table: dead, then running and
still running a moment later.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from random import Random
from typing import ClassVar, Final

from quorate.harness.core.fault import Plan, Proof, Scene, named
from quorate.harness.core.test import UsageError
from quorate.nemesis import processes, settings
from quorate.nemesis.logs import wait_for_text
from quorate.nemesis.restarts import Restarts
from quorate.nemesis.settings import COMMON
from quorate.nemesis.targets import NODE_TARGETS, choose, obstacle

_WITHIN_S: Final = 10.0
_WITHIN_MAX_S: Final = 18.0


class Kill:
    """Kill servers with SIGKILL, and start them again with the data on their disks."""

    name = "kill"
    targets = NODE_TARGETS
    downs = True
    settings: ClassVar[Mapping[str, str]] = {
        **COMMON,
        "kill.on": "text in the server's log at which it is killed, such as 'finished scheduled compaction'",
        "kill.within": "how long to wait for that text (10s)",
    }

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        """Raise `UsageError` for settings that make no sense."""
        given = given or {}
        self._on = given.get("kill.on")
        within = settings.seconds(given, "kill.within")
        self._within_s = _WITHIN_S if within is None else within
        if not 0 < self._within_s <= _WITHIN_MAX_S:
            raise UsageError(f"--set kill.within: give more than nothing and at most {_WITHIN_MAX_S:g} s")
        self._restarts = Restarts()

    @staticmethod
    def obstacle(target: str, count: int) -> str | None:
        """Return why a cluster of `count` nodes can never have this target, or None."""
        return obstacle(target, count)

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide whom to kill."""
        resolved, names = await choose(scene, target, rng)
        return named(names, self.name, resolved)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Kill at once, or each the moment its log says what it was asked to wait for."""
        if self._on is None:
            await processes.signal_all(scene, plan.nodes, signal.SIGKILL)
        else:
            await asyncio.gather(*(self._kill_on(scene, name, self._on) for name in plan.nodes))

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Wait for the process table to say dead."""
        found = await processes.wait_for(scene, plan.nodes, processes.DEAD, processes.DEATH_S)
        when = f', at "{self._on}" in its log' if self._on else ""
        return Proof(
            holds=set(found.values()) <= processes.DEAD, text=f"process table: {processes.told(found)}{when}"
        )

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Start every server that is dead; one that will not start is told by the proof, not raised."""
        await self._restarts.start_dead(scene, plan.nodes)

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """See the servers running, and still running a moment later."""
        return await self._restarts.prove(scene, plan.nodes)

    async def _kill_on(self, scene: Scene, name: str, text: str) -> None:
        (node,) = processes.nodes_of(scene, [name])
        daemon = scene.system.daemon
        await wait_for_text(node, daemon, scene.system.log_files(node), text, self._within_s)
        await node.signal(daemon, signal.SIGKILL)
