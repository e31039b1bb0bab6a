"""What comes after an operator's action: a kill, a pause or a cut from the others within it, after a drawn delay.

Crashes in the middle of a compaction, a defragmentation or a restart are what durable state is really tested by.
"""

from __future__ import annotations

import asyncio
import math
import signal
from random import Random
from typing import Annotated, Any, Final

import msgspec

from quorate.harness.core.fault import Plan, Scene
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import UsageError
from quorate.harness.core.settings import Seconds, about
from quorate.nemesis import isolating, processes

NONE, KILL, PAUSE, PARTITION, ANY = "none", "kill", "pause", "partition", "any"
_WAYS: Final = (NONE, KILL, PAUSE, PARTITION)
_SIGNALS: Final = {KILL: signal.SIGKILL, PAUSE: signal.SIGSTOP}
_STATES: Final = {KILL: ProcessState.DEAD, PAUSE: ProcessState.STOPPED}
_LEAST_S, _MOST_S = 0.001, 1.0  # of a delay that is drawn, on a logarithmic scale


class AftermathSettings(msgspec.Struct, frozen=True):
    """Settings of a fault that something may come after."""

    then: Annotated[
        str, about("what its targets suffer next", choices={**dict.fromkeys(_WAYS, ""), ANY: "drawn"})
    ] = NONE
    after: (
        Annotated[
            Seconds,
            about("how long after the action has begun", ge=0, le=10, unset="drawn from 1ms to 1s"),
        ]
        | None
    ) = None


def delay(rng: Random) -> float:
    """Draw one: a tenth of a second is as likely as a hundredth."""
    return round(math.exp(rng.uniform(math.log(_LEAST_S), math.log(_MOST_S))), 4)


class Aftermath:
    """One fault's. `kills` says whether its targets may be found dead, `strikes` whether anything may come."""

    def __init__(self, settings: AftermathSettings) -> None:
        self._way = settings.then
        self._after_s = settings.after
        self.kills = self._way in {KILL, ANY}
        self.strikes = self._way != NONE

    def check(self, scene: Scene) -> None:
        """Raise `UsageError` where this cluster's network cannot cut single nodes off."""
        if self._way == PARTITION and not isolating.filters(scene):
            raise UsageError(f"then={PARTITION} needs {isolating.NEEDED}")

    def drawn(self, scene: Scene, rng: Random) -> dict[str, Any]:
        """Return what a plan's detail holds of it; draws as much whatever is set."""
        picked, after_s = rng.random(), delay(rng)
        possible = _WAYS if isolating.filters(scene) else _WAYS[:-1]
        way = possible[int(picked * len(possible))] if self._way == ANY else self._way
        if way == NONE:
            return {}
        return {"then": way, "after_s": after_s if self._after_s is None else self._after_s}

    @staticmethod
    async def strike(scene: Scene, plan: Plan, names: list[str]) -> None:
        """Do it to these, so long after this call as the plan says."""
        way = plan.detail.get("then", NONE)
        if way == NONE:
            return
        await asyncio.sleep(float(plan.detail["after_s"]))
        if way == PARTITION:
            await isolating.isolate(scene, names)
        else:
            await processes.signal_all(scene, names, _SIGNALS[way])

    @staticmethod
    async def undo(scene: Scene, plan: Plan, names: list[str]) -> None:
        """Resume the paused, and reconnect the others; starting the dead is the fault's."""
        match plan.detail.get("then"):
            case "pause":
                await processes.signal_all(scene, names, signal.SIGCONT)
            case "partition":
                await isolating.rejoin(scene)

    @staticmethod
    async def seen(scene: Scene, plan: Plan, names: list[str]) -> tuple[bool, str]:
        """Return whether the process table says so, and what in words; true and nothing where nothing was to come."""
        way = plan.detail.get("then", NONE)
        if way == NONE:
            return True, ""
        after_ms = float(plan.detail["after_s"]) * 1e3
        if way == PARTITION:
            arrived = await scene.cluster.network.probe(sorted(isolating.ways(scene, names)))
            alive = [f"{one}→{other}" for (one, other), came in sorted(arrived.items()) if came]
            told = f"{', '.join(alive)} still alive" if alive else f"{len(arrived)} directions dead, by probe"
            return not alive, f"; cut off {after_ms:g} ms after it began: {told}"
        wanted = frozenset({_STATES[way]})
        found = await processes.wait_for(scene, names, wanted, processes.DEATH_S)
        return set(
            found.values()
        ) <= wanted, f"; {way} {after_ms:g} ms after it began: {processes.told(found)}"
