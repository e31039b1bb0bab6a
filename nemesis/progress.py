"""How far servers have come: waiting until others need one of them no more, and until it knows what they know."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from harness.fault import Scene
from harness.outcome import Broken

_EVEN_S: Final = 10.0
_SETTLED_S: Final = 0.5
_CAUGHT_UP_S: Final = 15.0
_POLL_S: Final = 0.1


async def others_know_all(scene: Scene, names: Collection[str]) -> None:
    """Wait until one of the others leads, and all of them have applied what that one had by then.

    Whatever these servers forget then is safe with the others. Raises `Broken` where it does not come to that. A new
    leader of raft applies what its predecessor had agreed on only with its own first entry, so it is given a moment.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + _EVEN_S
    led_since: float | None = None
    goal: int | None = None
    while True:
        others = [one for one in await scene.system.status(scene.cluster) if one.node not in names]
        led = any(one.role == "leader" for one in others) and all(one.healthy for one in others)
        applied = [one.applied or 0 for one in others]
        if not led:
            led_since = goal = None
        elif led_since is None:
            led_since = loop.time()
        elif goal is not None and min(applied) >= goal:
            return
        elif goal is None and loop.time() - led_since >= _SETTLED_S:
            goal = max(applied)
        if loop.time() >= end:
            raise Broken("not-safe", f"the others did not agree without the targets within {_EVEN_S:g} s")
        await asyncio.sleep(_POLL_S)


async def caught_up(scene: Scene, names: Collection[str]) -> tuple[bool, str]:
    """Wait until these have applied what the others had when the wait began; return whether they have, in words too."""
    loop = asyncio.get_running_loop()
    end = loop.time() + _CAUGHT_UP_S
    goal: int | None = None
    while True:
        statuses = {one.node: one for one in await scene.system.status(scene.cluster)}
        others = [one.applied for name, one in statuses.items() if name not in names and one.healthy]
        if goal is None:  # from servers that answer: to be as far as the silent is nothing
            goal = max((applied for applied in others if applied), default=None)
        mine = {name: statuses[name].applied or 0 for name in names}
        well = all(statuses[name].healthy for name in names)
        told = ", ".join(f"{name} {far}" for name, far in mine.items())
        if well and goal is not None and min(mine.values()) >= goal:
            return True, f"applied: {told}, the others had {goal}"
        if loop.time() >= end:
            return (
                False,
                f"applied: {told} after {_CAUGHT_UP_S:g} s, the others had {goal or 'not told'} before",
            )
        await asyncio.sleep(_POLL_S)
