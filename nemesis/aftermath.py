"""What comes after an operator's action: a kill or a pause within it, after a delay that is drawn.

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
from quorate.harness.core.settings import Seconds, about
from quorate.nemesis import processes

NONE, KILL, PAUSE, ANY = "none", "kill", "pause", "any"
_WAYS: Final = (NONE, KILL, PAUSE, ANY)
_SIGNALS: Final = {KILL: signal.SIGKILL, PAUSE: signal.SIGSTOP}
_STATES: Final = {KILL: ProcessState.DEAD, PAUSE: ProcessState.STOPPED}
_LEAST_S, _MOST_S = 0.001, 1.0  # of a delay that is drawn, on a logarithmic scale


class AftermathSettings(msgspec.Struct, frozen=True):
    """Settings of a fault that something may come after."""

    then: Annotated[
        str, about("what its targets suffer next", choices={**dict.fromkeys(_WAYS[:3], ""), ANY: "drawn"})
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
    """One fault's. `kills` says whether its targets may be found dead."""

    def __init__(self, settings: AftermathSettings) -> None:
        self._way = settings.then
        self._after_s = settings.after
        self.kills = self._way in {KILL, ANY}

    def drawn(self, rng: Random) -> dict[str, Any]:
        """Return what a plan's detail holds of it; draws as much whatever is set."""
        picked, after_s = rng.randrange(3), delay(rng)
        way = _WAYS[picked] if self._way == ANY else self._way
        if way == NONE:
            return {}
        return {"then": way, "after_s": after_s if self._after_s is None else self._after_s}

    @staticmethod
    async def strike(scene: Scene, plan: Plan, names: list[str]) -> None:
        """Do it to these, so long after this call as the plan says."""
        way = plan.detail.get("then", NONE)
        if way != NONE:
            await asyncio.sleep(float(plan.detail["after_s"]))
            await processes.signal_all(scene, names, _SIGNALS[way])

    @staticmethod
    async def seen(scene: Scene, plan: Plan, names: list[str]) -> tuple[bool, str]:
        """Return whether the process table says so, and what in words; true and nothing where nothing was to come."""
        way = plan.detail.get("then", NONE)
        if way == NONE:
            return True, ""
        wanted = frozenset({_STATES[way]})
        found = await processes.wait_for(scene, names, wanted, processes.DEATH_S)
        after_ms = float(plan.detail["after_s"]) * 1e3
        return set(
            found.values()
        ) <= wanted, f"; {way} {after_ms:g} ms after it began: {processes.told(found)}"
