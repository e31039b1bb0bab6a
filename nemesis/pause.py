"""Freeze servers with SIGSTOP: sockets stay open, leases run on, and the process believes that no time has passed.

It wakes with SIGCONT and goes on where it was: a leader that has been replaced meanwhile may answer before it hears.
Proved by the process state T.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from random import Random
from typing import ClassVar, Final

from quorate.harness.core.fault import Plan, Proof, Scene, named
from quorate.harness.core.node import ProcessState
from quorate.nemesis import processes, triggers
from quorate.nemesis.settings import COMMON
from quorate.nemesis.targets import NODE_TARGETS, choose, obstacle
from quorate.nemesis.triggers import Trigger

_STOPPED: Final = frozenset({ProcessState.STOPPED})
_AWAKE: Final = frozenset({ProcessState.RUNNING, ProcessState.DEAD})
_CHANGE_S: Final = 2.0


class Pause:
    """Freeze servers with SIGSTOP, and let them go on as if no time had passed."""

    name = "pause"
    targets = NODE_TARGETS
    holds = True
    settings: ClassVar[Mapping[str, str]] = {**COMMON, **triggers.about("pause", "frozen")}

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        """Raise `UsageError` for settings that make no sense."""
        self._trigger = Trigger(self.name, given or {})

    @staticmethod
    def obstacle(target: str, count: int) -> str | None:
        """Return why a cluster of `count` nodes can never have this target, or None."""
        return obstacle(target, count)

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide whom to freeze."""
        resolved, names = await choose(scene, target, rng)
        return named(names, self.name, resolved)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Freeze at once, or each the moment a log says what it was asked to wait for."""
        if self._trigger.waits:
            await asyncio.gather(*(self._freeze_when_told(scene, name) for name in plan.nodes))
        else:
            await processes.signal_all(scene, plan.nodes, signal.SIGSTOP)

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Wait for state T in the process table."""
        found = await processes.wait_for(scene, plan.nodes, _STOPPED, _CHANGE_S)
        return Proof(
            holds=set(found.values()) <= _STOPPED,
            text=f"state T in the process table: {processes.told(found)}{self._trigger.told}",
        )

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Let them go on."""
        await processes.signal_all(scene, plan.nodes, signal.SIGCONT)

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """See that none is frozen. A server that died is not frozen either: its death is told elsewhere."""
        found = await processes.wait_for(scene, plan.nodes, _AWAKE, _CHANGE_S)
        return Proof(holds=set(found.values()) <= _AWAKE, text=f"process table: {processes.told(found)}")

    async def _freeze_when_told(self, scene: Scene, name: str) -> None:
        await self._trigger.wait(scene, name)
        await processes.signal_all(scene, [name], signal.SIGSTOP)
