"""What a client of the simulated store watches: revisions, names through notices, names through long polls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from quorate.harness.core.outcome import OutcomeError, Refused, Reply
from quorate.harness.systems.polls import Answered, Polls
from quorate.harness.systems.simulated import polling
from quorate.harness.systems.simulated.caller import Caller
from quorate.harness.systems.simulated.following import Following
from quorate.harness.systems.simulated.noticing import Noticing


class WatcherCalls(Caller):
    """Three kinds of watches; a call that fails ends the one that it read."""

    _standing: Following | None = None
    _standing_next = 1
    _noticing: Noticing | None = None
    _watches = 0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._polls = Polls()

    async def follow(
        self,
        space: str,
        start: int | None,
        seconds: float,
        progress: bool = False,  # noqa: FBT001, FBT002 - as the capability says
    ) -> Reply:
        """Watch at the node that this client talks to."""
        await asyncio.sleep(self._cluster.network.latency_s())
        watch = self._standing if start is None else None
        try:
            if watch is None:
                first = self._standing_next if start is None else start
                watch = Following(self._connected(), space, first)
            messages = await watch.messages(seconds, progress=progress)
        except OutcomeError as error:
            if start is None:
                self._standing = None
                if isinstance(error, Refused) and error.code == "compacted":
                    self._standing_next = error.version or self._standing_next
            raise
        if start is None:
            shown = (change[2] for _, changes in messages for change in changes)
            self._standing, self._standing_next = watch, max((self._standing_next, *(at + 1 for at in shown)))
        return Reply(value={"from": watch.start, "messages": messages})

    async def set_name(self, space: str, name: str, value: Any) -> Reply:
        """Set a name, or take it away."""
        return await self._call("set_name", f"{space}/{name}", value)

    async def heed(
        self,
        space: str,
        names: Sequence[str],
        seconds: float,
        once: bool,  # noqa: FBT001 - as the capability says
    ) -> Reply:
        """Listen at the node that this client talks to."""
        await asyncio.sleep(self._cluster.network.latency_s())
        watch, self._noticing = self._noticing, None
        if watch is None:
            self._watches += 1
            versions = int(self.session.removeprefix("s")) % 2 == 0
            watch = Noticing(self._connected(), self._watches, space, once=once, versions=versions)
            watch.begin(names)
        items = await watch.listen(seconds, names[len(watch.items) % len(names)])
        self._noticing = watch
        return Reply(value={"watch": watch.number, "once": watch.once, "items": items})

    async def poll(self, space: str, name: str | None, wait_s: float, seconds: float) -> Reply:
        """Read what a standing poll received."""

        async def ask(index: int) -> Answered:
            return await polling.wait(lambda: self._call("names", space, name), self._cluster, index, wait_s)

        try:
            told = await self._polls.take((space, name, wait_s), ask, seconds)
        except OutcomeError as error:
            raise Refused("unread", str(error)) from error
        return Reply(value={**told, "mode": "consistent"})

    async def close(self) -> None:
        """Give up what is under way, too."""
        await self._polls.close()
        await super().close()
