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

from harness.cluster.node import ProcessState
from harness.fault import Plan, Proof, Scene, named
from harness.outcome import Broken
from nemesis import processes
from nemesis.settings import COMMON
from nemesis.targets import NODE_TARGETS, choose, obstacle

_DEAD: Final = frozenset({ProcessState.DEAD})
_DEATH_S: Final = 5.0
# A server that cannot use what is on its disk says so within its first moments.
_STEADY_S: Final = 0.3


class Kill:
    """Kill servers with SIGKILL, and start them again with the data on their disks."""

    name = "kill"
    targets = NODE_TARGETS
    downs = True
    settings: ClassVar[Mapping[str, str]] = COMMON

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        del settings
        self._failures: dict[str, str] = {}

    @staticmethod
    def obstacle(target: str, count: int) -> str | None:
        """Return why a cluster of `count` nodes can never have this target, or None."""
        return obstacle(target, count)

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide whom to kill."""
        resolved, names = await choose(scene, target, rng)
        return named(names, self.name, resolved)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Kill."""
        await processes.signal_all(scene, plan.nodes, signal.SIGKILL)

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Wait for the process table to say dead."""
        found = await processes.wait_for(scene, plan.nodes, _DEAD, _DEATH_S)
        return Proof(holds=set(found.values()) <= _DEAD, text=f"process table: {processes.told(found)}")

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Start every server that is dead; one that will not start is told by the proof, not raised."""
        self._failures.clear()
        await asyncio.gather(*(self._restart(scene, name) for name in plan.nodes))

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """See the servers running, and again a moment later; of one that is not, the last lines of its log."""
        await asyncio.sleep(_STEADY_S)
        found = await processes.states(scene, plan.nodes)
        dead = [name for name, state in found.items() if state is ProcessState.DEAD]
        text = f"process table {_STEADY_S:g} s after the restart: {processes.told(found)}"
        for node in processes.nodes_of(scene, dead):
            why = self._failures.get(node.name) or await processes.log_tail(scene, node)
            text += f"\n{node.name} did not come back: {why}"
        return Proof(holds=not dead, text=text)

    async def _restart(self, scene: Scene, name: str) -> None:
        (node,) = processes.nodes_of(scene, [name])
        if await node.state(scene.system.daemon) is not ProcessState.DEAD:
            return
        try:
            await scene.system.start(scene.cluster, node)
        except Broken as error:
            self._failures[name] = str(error)
