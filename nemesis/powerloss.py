"""Power cuts: servers die, and with them everything that was written and never synced.

A killed server loses its own memory only; the kernel keeps what it wrote. Here the kernel forgets too: the data lives
on a separate file system, which is shut down without its journal being written, and mounted again. Proved by a file
that was synced and is there, with more behind it that was not and is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Annotated, Final

import msgspec

from quorate.harness.cluster import doctor, volumes
from quorate.harness.cluster.volumes import Volume
from quorate.harness.core.fault import Plan, Proof, Scene, named
from quorate.harness.core.finding import Finding
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.settings import Seconds, about
from quorate.harness.core.system import System
from quorate.nemesis import processes
from quorate.nemesis.nodes import ServerFault
from quorate.nemesis.targets import ANY, choose, obstacle

_VARIED: Final = ("all", "majority", "leader", "one", "minority")


class PowerLossSettings(msgspec.Struct, frozen=True):
    """Settings of power cuts."""

    window: (
        Annotated[
            Seconds,
            about(
                "sync all disks, and cut the power so much later, such as 500ms: a server that never syncs then loses "
                "that much",
                gt=0,
                le=20,
                unset="nothing is synced for it after the load has begun",
            ),
        ]
        | None
    ) = None


class PowerLoss(ServerFault):
    """Cut the power of servers: what they wrote and did not sync is lost."""

    name = "powerloss"
    deadline_s = 60.0
    settings_type = PowerLossSettings

    def __init__(self, options: PowerLossSettings) -> None:
        super().__init__(options)
        self._window_s = options.window
        self._volumes: dict[str, Volume] = {}

    def probes(self) -> Sequence[Callable[[], Finding]]:
        """Return what it asks of this machine."""
        return (doctor.file_systems,)

    def suits(self, system: System) -> None:
        """Raise `UsageError` for a system without disks."""
        if not system.on_disk:
            raise UsageError(f"powerloss: {system.name} keeps its data on no disk")

    async def prepare(self, scene: Scene) -> None:
        """Give every node's data a separate file system, before the servers start."""
        if (why := volumes.obstacle(scene.cluster.nodes)) is not None:
            raise UsageError(f"powerloss: {why}")
        self._volumes = {node.name: Volume(node, scene.system.data(node)) for node in scene.cluster.nodes}
        await asyncio.gather(*(volume.make() for volume in self._volumes.values()))

    async def begin(self, scene: Scene) -> None:
        """Sync once: what servers wrote when they began is on the disk, as it is of servers that have run for days."""
        del scene
        await asyncio.gather(*(volume.sync() for volume in self._volumes.values()))

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide whose power is cut; by chance also everybody's."""
        drawn = rng.random()
        if target == ANY:
            able = [one for one in _VARIED if obstacle(one, len(scene.cluster.nodes)) is None]
            target = able[int(drawn * len(able))]
        resolved, names = await choose(scene, target, rng)
        window = {"window_s": self._window_s} if self._window_s is not None else {}
        return named(names, self.name, resolved, **window)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Kill all targets at once, and lose what is not on their disks."""
        if "window_s" in plan.detail:
            await asyncio.gather(*(self._volume(name).sync() for name in plan.nodes))
            await asyncio.sleep(float(plan.detail["window_s"]))
        await processes.kill_all(scene, plan.nodes)
        await asyncio.gather(*(self._volume(name).lose() for name in plan.nodes))

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Look at the dead servers' disks: the synced half of a file is there, the other is gone."""
        found = await processes.states(scene, plan.nodes)
        disks = await asyncio.gather(*(self._volume(name).kept() for name in plan.nodes))
        told = ", ".join(f"{name}: {words}" for name, (_, words) in zip(plan.nodes, disks, strict=True))
        fine = set(found.values()) <= processes.DEAD and all(kept for kept, _ in disks)
        return Proof(holds=fine, text=f"process table: {processes.told(found)}; disks: {told}")

    def _volume(self, name: str) -> Volume:
        if name not in self._volumes:
            raise Broken("no-volume", f"the data of {name} is not on its own file system")
        return self._volumes[name]
