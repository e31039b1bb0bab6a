"""Freeze servers with SIGSTOP: sockets stay open, leases run on, and the process believes that no time has passed.

It wakes with SIGCONT and continues where it was: a leader that has been replaced meanwhile may answer before it hears.
Proved by the process state T.
"""

from __future__ import annotations

import signal
from typing import Final

from quorate.harness.core.fault import Plan, Proof, Scene
from quorate.harness.core.node import ProcessState
from quorate.harness.core.system import System
from quorate.nemesis import processes
from quorate.nemesis.nodes import NodeFault
from quorate.nemesis.triggers import Trigger, TriggerSettings

_STOPPED: Final = frozenset({ProcessState.STOPPED})
_AWAKE: Final = frozenset({ProcessState.RUNNING, ProcessState.DEAD})
_CHANGE_S: Final = 2.0


class Pause(NodeFault):
    """Freeze servers with SIGSTOP, and resume them as if no time had passed."""

    name = "pause"
    on_theirs = "outside"
    settings_type = TriggerSettings
    holds = True

    def __init__(self, options: TriggerSettings) -> None:
        super().__init__(options)
        self._trigger = Trigger(options)

    def suits(self, system: System) -> None:
        """Raise `UsageError` where the log that it is to wait for cannot be watched."""
        self._trigger.suits(system)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Freeze at once, or each the moment a log says what it was asked to wait for."""
        await self._trigger.signal(scene, plan.nodes, signal.SIGSTOP)

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Wait for state T in the process table."""
        found = await processes.wait_for(scene, plan.nodes, _STOPPED, _CHANGE_S)
        text = f"state T in the process table: {processes.told(found)}{self._trigger.told}"
        return Proof(holds=set(found.values()) <= _STOPPED, text=text)

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Resume them."""
        await processes.signal_all(scene, plan.nodes, signal.SIGCONT)

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """See that none is frozen. A server that died is not frozen either: its death is reported elsewhere."""
        found = await processes.wait_for(scene, plan.nodes, _AWAKE, _CHANGE_S)
        return Proof(holds=set(found.values()) <= _AWAKE, text=f"process table: {processes.told(found)}")
