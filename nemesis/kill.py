"""Kill servers with SIGKILL: memory is lost, connections break, and what was acknowledged must be on disk.

The server starts again at the healing, with its data as it is. Proved by the process table: dead, then running and
still running a moment later.
"""

from __future__ import annotations

import signal

from quorate.harness.core.fault import Plan, Proof, Scene
from quorate.harness.core.system import System
from quorate.nemesis import processes
from quorate.nemesis.nodes import ServerFault
from quorate.nemesis.triggers import Trigger, TriggerSettings


class Kill(ServerFault):
    """Kill servers with SIGKILL, and start them again with the data on their disks."""

    name = "kill"
    on_theirs = "outside"
    settings_type = TriggerSettings

    def __init__(self, options: TriggerSettings) -> None:
        super().__init__(options)
        self._trigger = Trigger(options)

    def suits(self, system: System) -> None:
        """Raise `UsageError` where the log that it is to wait for cannot be watched."""
        self._trigger.suits(system)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Kill at once, or each the moment its log says what it was asked to wait for."""
        await self._trigger.signal(scene, plan.nodes, signal.SIGKILL)

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Wait for the process table to say dead."""
        found = await processes.wait_for(scene, plan.nodes, processes.DEAD, processes.DEATH_S)
        text = f"process table: {processes.told(found)}{self._trigger.told}"
        return Proof(holds=set(found.values()) <= processes.DEAD, text=text)
