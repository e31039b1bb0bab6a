"""What operators do to etcd, as faults ask for it."""

from __future__ import annotations

from typing import Final

from quorate.harness.core.node import Node
from quorate.harness.core.operating import COMPACT, DEFRAGMENT, MOVE_LEADER
from quorate.harness.systems.etcd.operations.maintenance import Maintenance

_ALL: Final = frozenset({COMPACT, DEFRAGMENT, MOVE_LEADER})


class OperatingEtcd:
    """Defragmentation, compaction at the head, and a leader that hands over: in every release from 3.3 on."""

    actions = _ALL

    def __init__(self, maintenance: Maintenance) -> None:
        self._maintenance = maintenance

    async def defragment(self, node: Node) -> str:
        """Rewrite the member's store; it answers no client meanwhile."""
        await self._maintenance.defragment(node)
        return f"{node.name} has rewritten its store"

    async def compact(self, node: Node) -> str:
        """Forget all before the present revision."""
        head = (await self._maintenance.hash_kv(node)).revision
        await self._maintenance.compact(node, head, physical=True)
        kept = (await self._maintenance.hash_kv(node)).compact_revision
        return f"{node.name} is compacted up to {kept}"

    async def move_leader(self, leader: Node, target: Node) -> str:
        """Hand over."""
        await self._maintenance.move_leader(leader, target)
        return f"{leader.name} has handed over to {target.name}"
