"""Defragmentation under load: the store is rewritten and replaced while the server runs.

What an operator does when a disk fills up. The server answers no client meanwhile, as the documents of etcd say. With
`defragment.then=kill` it dies in the midst of it. Proved by the server's own answer.
"""

from __future__ import annotations

from quorate.harness.core.fault import Plan, Scene
from quorate.harness.core.node import Node
from quorate.nemesis.operators import Operator


class Defragment(Operator):
    """Have servers rewrite their stores."""

    name = "defragment"

    async def _act(self, scene: Scene, node: Node, plan: Plan) -> str:
        del plan
        return await self.operating(scene.system).defragment(node)
