"""How far servers have come: waiting until others need one of them no more, and until it knows what they know."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from quorate.harness.core.clock import until
from quorate.harness.core.fault import Scene
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken

_EVEN_S: Final = 10.0
_CAUGHT_UP_S: Final = 15.0
_POLL_S: Final = 0.1


async def others_know_all(scene: Scene, names: Collection[str]) -> None:
    """With these dead, wait until all the others have applied everything that was agreed on while they lived.

    Whatever these servers forget then is safe with the others. Raises `Broken` where it does not come to that. What the
    others have applied is looked at once a quorum of them has confirmed something: before that, a new leader may not
    have applied yet what its predecessor had agreed on with one of these.
    """
    others = [node for node in scene.cluster.nodes if node.name not in names]
    goal: int | None = None

    async def even() -> bool:
        nonlocal goal
        confirmed = goal is None and not await _unserved(scene, others)
        statuses = [one for one in await scene.system.status(scene.cluster) if one.node not in names]
        applied = [one.applied or 0 for one in statuses]
        if not (all(one.healthy for one in statuses) and any(one.role == "leader" for one in statuses)):
            goal = None
        elif confirmed:
            goal = max(applied)
        return goal is not None and min(applied) >= goal

    if not await until(even, bool, deadline_s=_EVEN_S, poll_s=_POLL_S):
        raise Broken("not-safe", f"the others did not agree without the targets within {_EVEN_S:g} s")


async def _unserved(scene: Scene, nodes: Sequence[Node]) -> str:
    unserved = await scene.system.unserved(nodes)
    if unserved is None:
        raise Broken("not-safe", f"{scene.system.name} cannot be asked whether its servers agree")
    return unserved


async def caught_up(scene: Scene, names: Collection[str]) -> tuple[bool, str]:
    """Wait until these have applied what the others had when the wait began; return whether they have, in words too."""
    goal: int | None = None

    async def look() -> tuple[bool, str]:
        nonlocal goal
        statuses = {one.node: one for one in await scene.system.status(scene.cluster)}
        others = [one.applied for name, one in statuses.items() if name not in names and one.healthy]
        if goal is None:  # from servers that answer: to be as far as the silent is nothing
            goal = max((applied for applied in others if applied), default=None)
        mine = {name: statuses[name].applied or 0 for name in names}
        well = all(statuses[name].healthy for name in names)
        applied = ", ".join(f"{name} {far}" for name, far in mine.items())
        if well and goal is not None and min(mine.values()) >= goal:
            return True, f"applied: {applied}, the others had {goal}"
        return (
            False,
            f"applied: {applied} after {_CAUGHT_UP_S:g} s, the others had {goal or 'nothing'} before",
        )

    return await until(look, lambda found: found[0], deadline_s=_CAUGHT_UP_S, poll_s=_POLL_S)
