"""Servers are rebuilt from the others in place: ended, emptied, and started again as who they were."""

from __future__ import annotations

import asyncio
from typing import Final

from quorate.harness.cluster.shell import empty_command
from quorate.harness.core.damage import Damage
from quorate.harness.core.fault import Plan, Proof, Scene
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import System, offered
from quorate.nemesis import processes, progress

_WIPE_S: Final = 30.0


def damage_of(system: System) -> Damage:
    """Return what is known of a system's disks; raise `UsageError` where nothing is."""
    return offered(system.damage, f"corrupt: on-disk damage is not implemented for {system.name}")


class Rebuild:
    """One rebuilding, which may be tried again; its proof says why it did not come about, and nothing is raised."""

    def __init__(self) -> None:
        self._failure = ""

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Empty the targets once the others need nothing of them, all at once, and start them."""
        self._failure = ""
        try:
            await end(scene, plan)
            await asyncio.gather(*(self._anew(scene, name) for name in plan.nodes))
        except Broken as error:
            self._failure = error.text

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """See them run, and as far as the others."""
        if self._failure:
            return Proof(holds=False, text=f"{', '.join(plan.nodes)} not rebuilt: {self._failure}")
        fine, far = await progress.caught_up(scene, plan.nodes)
        found = await processes.states(scene, plan.nodes)
        return Proof(holds=fine, text=f"rebuilt from the others: {processes.told(found)}; {far}")

    async def _anew(self, scene: Scene, name: str) -> None:
        (node,) = processes.nodes_of(scene, [name])
        folder = damage_of(scene.system).folder_to_empty(node)
        if folder is None:
            raise Broken("no-rebuilding", f"servers of {scene.system.name} come back as new members only")
        await node.run(empty_command(folder), timeout_s=_WIPE_S)
        await scene.system.start(scene.cluster, node)


async def end(scene: Scene, plan: Plan) -> None:
    """Kill the targets, and wait until the others need them no more; raise `Broken` where it does not come to that."""
    await processes.kill_all(scene, plan.nodes)
    await progress.others_know_all(scene, plan.nodes)
