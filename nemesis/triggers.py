"""When exactly a fault strikes: at once, or the moment a server's log says a text, and so long after it.

Many bugs need a crash within one step of a compaction, a snapshot or an election, and servers write down their steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from quorate.harness.core.fault import Scene
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import UsageError
from quorate.nemesis import processes, settings
from quorate.nemesis.logs import wait_for_text

_WITHIN_S: Final = 10.0
_WITHIN_MAX_S: Final = 18.0
_AFTER_MAX_S: Final = 5.0
_HEARD: Final = ("own", "any")


def about(fault: str, done: str) -> dict[str, str]:
    """Return the settings of it, for a fault of this name; `done` is what it does: "killed"."""
    return {
        f"{fault}.on": f"text in the server's log at which it is {done}, such as 'finished scheduled compaction'",
        f"{fault}.within": "how long to wait for that text (10s)",
        f"{fault}.after": "how much later it strikes (0s)",
        f"{fault}.heard": "whose log must say so: own (each target's, the default) or any (of all servers')",
    }


class Trigger:
    """One fault's."""

    def __init__(self, fault: str, given: Mapping[str, str]) -> None:
        """Raise `UsageError` for settings that make no sense."""
        self._on = given.get(f"{fault}.on")
        within = settings.seconds(given, f"{fault}.within")
        self._within_s = _WITHIN_S if within is None else within
        if not 0 < self._within_s <= _WITHIN_MAX_S:
            raise UsageError(f"--set {fault}.within: give more than nothing and at most {_WITHIN_MAX_S:g} s")
        self._after_s = settings.seconds(given, f"{fault}.after") or 0.0
        if not 0 <= self._after_s <= _AFTER_MAX_S:
            raise UsageError(f"--set {fault}.after: give {_AFTER_MAX_S:g} s at most")
        self._any = settings.choice(given, f"{fault}.heard", _HEARD) == "any"
        if self._on is None and any(f"{fault}.{name}" in given for name in ("after", "heard")):
            raise UsageError(f"--set {fault}.on: say at which text")

    @property
    def waits(self) -> bool:
        """Whether it waits for anything."""
        return self._on is not None

    @property
    def told(self) -> str:
        """Return the end of a proof's sentence."""
        if self._on is None:
            return ""
        later = f", {self._after_s * 1e3:g} ms after" if self._after_s else ", at"
        whose = "a server's" if self._any else "its"
        return f'{later} "{self._on}" in {whose} log'

    async def wait(self, scene: Scene, name: str) -> None:
        """Return when it is time for this target; raise `Broken` where the text does not come."""
        if self._on is None:
            return
        listened = [node.name for node in scene.cluster.nodes] if self._any else [name]
        await _first(scene, listened, self._on, self._within_s)
        await asyncio.sleep(self._after_s)


async def _first(scene: Scene, names: list[str], text: str, within_s: float) -> None:
    """Return when the first of these says it; raise `Broken` where none does."""
    watches = [
        asyncio.ensure_future(
            wait_for_text(node, scene.system.daemon, scene.system.log_files(node), text, within_s)
        )
        for node in processes.nodes_of(scene, names)
    ]
    try:
        failed: Broken | None = None
        for watch in asyncio.as_completed(watches):
            try:
                await watch
            except Broken as error:
                failed = error
            else:
                return
        if failed is not None:
            raise failed
    finally:
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)
