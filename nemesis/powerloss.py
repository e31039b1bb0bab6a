"""Power cuts: servers die, and with them everything that was written and never synced.

A killed server loses its own memory only; the kernel keeps what it wrote. Here the kernel forgets too: the data lives
on a file system of its own, which is shut down without its journal being written, and mounted again. Proved by a file
that was synced and is there, with more behind it that was not and is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import ClassVar, Final, Protocol, runtime_checkable

from quorate.harness.cluster import doctor, volumes
from quorate.harness.cluster.volumes import Volume
from quorate.harness.core.fault import Plan, Proof, Scene, named
from quorate.harness.core.finding import Finding
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import System
from quorate.harness.core.test import UsageError
from quorate.nemesis import processes, settings
from quorate.nemesis.restarts import Restarts
from quorate.nemesis.settings import COMMON
from quorate.nemesis.targets import ANY, NODE_TARGETS, choose, obstacle

_VARIED: Final = ("all", "majority", "leader", "one", "minority")
_WINDOW_MOST_S: Final = 20.0


@runtime_checkable
class Data(Protocol):
    """A system that says where a server keeps what it must not forget."""

    def data(self, node: Node) -> str:
        """Return the directory on the node."""
        ...


class PowerLoss:
    """Cut the power of servers: what they wrote and did not sync is lost."""

    name = "powerloss"
    targets = NODE_TARGETS
    downs = True
    deadline_s = 60.0
    settings: ClassVar[Mapping[str, str]] = {
        **COMMON,
        "powerloss.window": (
            "sync all disks, and cut the power so much later, such as 500ms: a server that never syncs then loses "
            "that much (default: nothing is synced for it after the load has begun)"
        ),
    }

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        """Raise `UsageError` for settings that make no sense."""
        self._window_s = settings.seconds(given or {}, "powerloss.window")
        if self._window_s is not None and not 0 < self._window_s <= _WINDOW_MOST_S:
            raise UsageError(
                f"--set powerloss.window: give more than nothing and at most {_WINDOW_MOST_S:g} s"
            )
        self._volumes: dict[str, Volume] = {}
        self._restarts = Restarts()

    @staticmethod
    def obstacle(target: str, count: int) -> str | None:
        """Return why a cluster of `count` nodes can never have this target, or None."""
        return obstacle(target, count)

    @staticmethod
    def probes() -> Sequence[Callable[[], Finding]]:
        """Return what it asks of this machine."""
        return (doctor.file_systems,)

    @staticmethod
    def suits(system: System) -> None:
        """Raise `UsageError` for a system without disks."""
        if not isinstance(system, Data):
            raise UsageError(f"powerloss: {system.name} keeps its data on no disk")

    async def prepare(self, scene: Scene) -> None:
        """Give every node's data a file system of its own, before the servers start."""
        if (why := volumes.obstacle(scene.cluster.nodes)) is not None:
            raise UsageError(f"powerloss: {why}")
        system = scene.system
        if not isinstance(system, Data):
            raise UsageError(f"powerloss: {system.name} keeps its data on no disk")
        self._volumes = {node.name: Volume(node, system.data(node)) for node in scene.cluster.nodes}
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

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Start every server with what its disk still has; one that will not start is told by the proof."""
        await self._restarts.start_dead(scene, plan.nodes)

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """See the servers running, and still running a moment later."""
        return await self._restarts.prove(scene, plan.nodes)

    def _volume(self, name: str) -> Volume:
        if name not in self._volumes:
            raise Broken("no-volume", f"the data of {name} is not on its own file system")
        return self._volumes[name]
