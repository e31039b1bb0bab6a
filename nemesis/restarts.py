"""Starting dead servers again, and seeing whether they stay."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from quorate.harness.core.fault import Proof, Scene
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import Broken
from quorate.nemesis import processes

# A server that cannot use what is on its disk says so within its first moments.
_STEADY_S: Final = 0.3


class Restarts:
    """Remembers why servers did not start."""

    def __init__(self) -> None:
        self._failures: dict[str, str] = {}

    async def start_dead(self, scene: Scene, names: Sequence[str]) -> None:
        """Start every server that is dead; the proof reports one that will not start, and nothing is raised."""
        self._failures.clear()
        await asyncio.gather(*(self._start(scene, name) for name in names))

    async def prove(self, scene: Scene, names: Sequence[str]) -> Proof:
        """See the servers running a moment after their start; of one that is not, the last lines of its log."""
        await asyncio.sleep(_STEADY_S)
        found = await processes.states(scene, names)
        dead = [name for name, state in found.items() if state is ProcessState.DEAD]
        why: dict[str, str] = {}
        text = f"process table {_STEADY_S:g} s after the restart: {processes.told(found)}"
        for node in processes.nodes_of(scene, dead):
            why[node.name] = self._failures.get(node.name) or await processes.log_tail(scene, node)
            text += f"\n{node.name} did not come back: {why[node.name]}"
        return Proof(holds=not dead, text=text, data={"dead": why} if why else {})

    async def _start(self, scene: Scene, name: str) -> None:
        (node,) = processes.nodes_of(scene, [name])
        if await node.state(scene.system.daemon) is not ProcessState.DEAD:
            return
        try:
            await scene.system.start(scene.cluster, node)
        except Broken as error:
            self._failures[name] = str(error)
