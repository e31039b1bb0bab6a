"""Backups of a simulated replica: its cells as of one moment, or of two with the bug `torn-backup`."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.harness.core.backup import Held, NotRestorableError, Reached, Restored
from quorate.harness.core.clock import until
from quorate.harness.core.node import Cluster, Node
from quorate.harness.core.outcome import Broken, OutcomeError, Unknown
from quorate.harness.systems.simulated.client import SimulatedClient
from quorate.harness.systems.simulated.cluster import SimulatedNode

BUG: Final = "torn-backup"
_TORN_S: Final = (0.05, 0.4)  # between the two moments
_PART_S: Final = 0.01
_PARTS: Final = 4
_READ_S: Final = 0.5
_CAUGHT_UP_S: Final = 1.0
_POLL_S: Final = 0.01
_DIGEST_BYTES: Final = 32
_LISTS: Final = frozenset({"set", "queue"})  # of which each element counts by itself


class _Picture(msgspec.Struct, frozen=True):
    position: int
    cells: list[tuple[str, str, Any, int]]


class BackupsOfSimulated:
    """Snapshots of one replica at a time."""

    keeps_past = False

    @staticmethod
    def missing() -> str | None:
        """Nothing is."""
        return None

    async def prepare(self, cluster: Cluster) -> None:
        """Nothing is needed."""

    async def reached(self, node: Node) -> Reached:
        """Read from the leader what has been committed, and wait until the replica has applied that."""
        own = _own(node)
        replica = own.replica
        if replica is None:
            return Reached()
        before = replica.applied
        client = SimulatedClient(own.cluster, [own], _READ_S)
        try:
            committed = (await client.current("quorate", "backup")).version or 0
        except OutcomeError:
            return Reached(before)
        finally:
            await client.close()

        async def applied() -> int:
            return replica.applied

        found = await until(applied, lambda at: at >= committed, deadline_s=_CAUGHT_UP_S, poll_s=_POLL_S)
        if found < committed:
            return Reached(found)
        return Reached(committed, confirmed=not own.cluster.session_reads)

    async def save(self, node: Node, target: Path) -> Reached:
        """Copy the cells, then send them in parts; raise `Unknown` where the server dies or stands still meanwhile."""
        own, reached = _own(node), await self.reached(node)
        replica = own.replica
        if replica is None:
            raise Unknown("connection-refused", f"{node.name} accepts no connection")
        position, cells = replica.applied, dict(replica.store.cells)
        if own.cluster.bug == BUG:
            await asyncio.sleep(own.cluster.rng.uniform(*_TORN_S))
            later = sorted(replica.store.cells)[len(cells) // 2 :]
            changed = {place: replica.store.cells[place] for place in later}
            if any(cells.get(place) != cell for place, cell in changed.items()):
                own.cluster.acted()
            cells |= changed
            position = replica.applied
        picture = _Picture(
            position, [(*place, _plain(cell.value), cell.version) for place, cell in cells.items()]
        )
        content = msgspec.json.encode(picture)
        content += hashlib.sha256(content).digest()
        step = len(content) // _PARTS + 1
        with target.open("wb", buffering=0) as file:
            for at in range(0, len(content), step):
                await asyncio.sleep(_PART_S)
                if own.replica is not replica or replica.paused:
                    raise Unknown("connection-reset", f"{node.name} sends no more")
                file.write(content[at : at + step])
        return reached

    async def is_whole(self, source: Path) -> bool:
        """Whether the digest at the end is that of all before it."""
        content = source.read_bytes()  # noqa: ASYNC240 - small, and in virtual time
        return hashlib.sha256(content[:-_DIGEST_BYTES]).digest() == content[-_DIGEST_BYTES:]

    async def restore(self, cluster: Cluster, node: Node, source: Path) -> Restored:
        """Read it back."""
        del cluster, node
        if not await self.is_whole(source):
            raise NotRestorableError("its digest is not that of its content")
        picture = msgspec.json.decode(source.read_bytes()[:-_DIGEST_BYTES], type=_Picture)  # noqa: ASYNC240
        held = [
            Held(space, key, value, version)
            for space, key, whole, version in picture.cells
            for value in (whole if space in _LISTS else [whole])
            if value is not None
        ]
        return Restored(picture.position, tuple(held), verified="its digest verified")


def _plain(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, frozenset) else value


def _own(node: Node) -> SimulatedNode:
    if not isinstance(node, SimulatedNode):
        raise Broken("simulated", f"{node.name} is a real node")
    return node
