"""Kill servers with SIGKILL: memory is lost, connections break, and what was acknowledged must be on disk.

The server starts again at the healing, with its data as it is. Proved by the process table: dead, then running and
still running a moment later.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from random import Random
from typing import ClassVar

from quorate.harness.core.fault import Plan, Proof, Scene, named
from quorate.nemesis import processes, triggers
from quorate.nemesis.restarts import Restarts
from quorate.nemesis.settings import COMMON
from quorate.nemesis.targets import NODE_TARGETS, choose, obstacle
from quorate.nemesis.triggers import Trigger


class Kill:
    """Kill servers with SIGKILL, and start them again with the data on their disks."""

    name = "kill"
    targets = NODE_TARGETS
    downs = True
    settings: ClassVar[Mapping[str, str]] = {
        **COMMON,
        **triggers.about("kill", "killed"),
    }

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        """Raise `UsageError` for settings that make no sense."""
        self._trigger = Trigger(self.name, given or {})
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
        if self._trigger.waits:
            await asyncio.gather(*(self._kill_when_told(scene, name) for name in plan.nodes))
        else:
            await processes.signal_all(scene, plan.nodes, signal.SIGKILL)

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Wait for the process table to say dead."""
        found = await processes.wait_for(scene, plan.nodes, processes.DEAD, processes.DEATH_S)
        text = f"process table: {processes.told(found)}{self._trigger.told}"
        return Proof(holds=set(found.values()) <= processes.DEAD, text=text)

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Start every server that is dead; one that will not start is told by the proof, not raised."""
        await self._restarts.start_dead(scene, plan.nodes)

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """See the servers running, and still running a moment later."""
        return await self._restarts.prove(scene, plan.nodes)

    async def _kill_when_told(self, scene: Scene, name: str) -> None:
        await self._trigger.wait(scene, name)
        await processes.signal_all(scene, [name], signal.SIGKILL)
