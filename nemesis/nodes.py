"""Bases of faults that act on nodes: the targets, who can have them, and the plan, written once."""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

import msgspec

from quorate.harness.core.fault import Fault, Plan, Proof, Scene, named
from quorate.nemesis.restarts import Restarts
from quorate.nemesis.targets import NODE_TARGETS, choose, obstacle


class NodeFault(Fault):
    """A fault on chosen nodes; it adds `inject`, `prove`, `heal` and `prove_healed`."""

    targets: ClassVar[tuple[str, ...]] = NODE_TARGETS

    @classmethod
    def obstacle(cls, target: str, count: int) -> str | None:
        """Return why a cluster of `count` nodes can never have this target, or None."""
        return obstacle(target, count)

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide the details, then the nodes."""
        detail = self.detail(rng)
        resolved, names = await choose(scene, target, rng)
        return named(names, self.name, resolved, **detail)

    def detail(self, rng: Random) -> dict[str, Any]:
        """Return what the plan says beside the nodes; draws as much whatever is set."""
        del rng
        return {}


class ServerFault(NodeFault):
    """A fault after which servers may be dead: its healing starts them, and sees that they stay."""

    downs = True

    def __init__(self, options: msgspec.Struct) -> None:
        super().__init__(options)
        self._restarts = Restarts()

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Start every target that is dead; the proof reports one that will not start, and nothing is raised."""
        await self._restarts.start_dead(scene, plan.nodes)

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """See the servers running, and still running a moment later."""
        return await self._restarts.prove(scene, plan.nodes)
