"""Compaction at the head: everything but the present is forgotten, on all servers, while clients look at the past.

What a service's operators and its own timers do. With `compact.then=kill` the server that was asked dies in the midst
of it. Proved by the revision up to which that server says it has compacted.
"""

from __future__ import annotations

from quorate.harness.core.fault import Plan, Scene
from quorate.harness.core.node import Node
from quorate.nemesis.operators import Operator


class Compact(Operator):
    """Have the service forget all but the present."""

    name = "compact"

    async def _act(self, scene: Scene, node: Node, plan: Plan) -> str:
        del plan
        return await self.operating(scene.system).compact(node)
