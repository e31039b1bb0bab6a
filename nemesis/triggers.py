"""When exactly a fault strikes: at once, or the moment a server's log says a text, and so long after it.

Many bugs need a crash within one step of a compaction, a snapshot or an election, and servers write down their steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import msgspec

from quorate.harness.core.fault import Scene
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.settings import Seconds, about
from quorate.harness.core.system import System
from quorate.nemesis import processes
from quorate.nemesis.logs import wait_for_text


class TriggerSettings(msgspec.Struct, frozen=True):
    """Settings of a fault that may wait for a text in a log."""

    on: (
        Annotated[
            str,
            about(
                "text in the server's log at which the fault strikes, such as 'finished scheduled compaction'",
                unset="at once",
            ),
        ]
        | None
    ) = None
    within: Annotated[Seconds, about("how long to wait for that text", gt=0, le=18)] = 10.0
    after: Annotated[Seconds, about("how much later it strikes", ge=0, le=5)] = 0.0
    heard: Annotated[
        str, about("whose log must say so", choices={"own": "each target's", "any": "that of any server"})
    ] = "own"

    def __post_init__(self) -> None:
        """Raise `ValueError` for a delay after nothing."""
        if self.on is None and (self.after or self.heard != "own"):
            raise ValueError("on: say at which text")


class Trigger:
    """One fault's."""

    def __init__(self, settings: TriggerSettings) -> None:
        self._on = settings.on
        self._within_s = settings.within
        self._after_s = settings.after
        self._any = settings.heard == "any"

    def suits(self, system: System) -> None:
        """Raise `UsageError` where there is no log to watch: an engine keeps what somebody else's server says."""
        if self._on is not None and system.theirs:
            raise UsageError(f'on="{self._on}": logs of servers that are not quorate\'s are not watched')

    @property
    def told(self) -> str:
        """Return the end of a proof's sentence."""
        if self._on is None:
            return ""
        later = f", {self._after_s * 1e3:g} ms after" if self._after_s else ", at"
        whose = "a server's" if self._any else "its"
        return f'{later} "{self._on}" in {whose} log'

    async def signal(self, scene: Scene, names: Sequence[str], signum: int) -> None:
        """Send a signal to these servers: to all at once, or to each when it is time for it."""
        if self._on is None:
            await processes.signal_all(scene, names, signum)
        else:
            await asyncio.gather(*(self._signal_in_time(scene, name, signum) for name in names))

    async def _signal_in_time(self, scene: Scene, name: str, signum: int) -> None:
        await self.wait(scene, name)
        await processes.signal_all(scene, [name], signum)

    async def wait(self, scene: Scene, *names: str) -> None:
        """Return when it is time for one of these targets; raise `Broken` where the text does not come."""
        if self._on is None:
            return
        listened = [node.name for node in scene.cluster.nodes] if self._any else list(names)
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
