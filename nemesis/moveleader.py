"""The leader hands over to a follower: what operators do before they take a machine down.

With `moveleader.then=kill` the new leader, or the old one, dies soon after. Proved by the servers' own word on who
leads.
"""

from __future__ import annotations

from random import Random
from typing import ClassVar

from quorate.harness.core.fault import Plan, Scene, named
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.nemesis import processes
from quorate.nemesis.operators import Operator
from quorate.nemesis.targets import FOLLOWER, check_names, leader_of, names_of, present


class MoveLeader(Operator):
    """Have the leader hand over; the target is who is to lead, one of the followers or a node by its name."""

    name = "moveleader"
    targets: ClassVar[tuple[str, ...]] = (FOLLOWER,)

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide who is to lead, and who dies of it."""
        after, drawn, new_dies = self._aftermath.drawn(scene, rng), rng.random(), rng.random()
        names = present(scene)
        leader = await leader_of(scene)
        others = sorted(name for name in names if name != leader)
        if target not in self.targets:
            asked = check_names(names_of(target) or (target,), names)
            others = [name for name in asked if name != leader]
        if not others:
            raise Broken("impossible-target", f"{leader} already leads, and no other target was named")
        chosen = others[int(drawn * len(others))]
        victim = chosen if new_dies < 0.5 else leader  # noqa: PLR2004 - a coin
        return named(
            (leader, chosen), self.name, target, **{"from": leader, "to": chosen, "victim": victim}, **after
        )

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Ask the leader."""
        self._done, self._failed = {}, {}
        (leader,) = processes.nodes_of(scene, [str(plan.detail["from"])])
        await self._one(scene, leader, plan)

    def victims(self, plan: Plan) -> list[str]:
        """Return whom the aftermath strikes."""
        return [str(plan.detail["victim"])]

    async def _act(self, scene: Scene, node: Node, plan: Plan) -> str:
        (target,) = processes.nodes_of(scene, [str(plan.detail["to"])])
        said = await self.operating(scene.system).move_leader(node, target)
        leads = await leader_of(scene)
        if leads != target.name and not plan.detail.get("then"):
            raise Broken("not-moved", f"{said}, but {leads} leads")
        return f"{said}; {leads} leads"

    def _struck_with(self, node: Node, plan: Plan) -> list[str]:
        del node
        return self.victims(plan)
