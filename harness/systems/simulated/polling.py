"""Long polls of the simulated store: a read through the leader, again and again until its index has moved."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from quorate.harness.core.outcome import Reply
from quorate.harness.systems.polls import Answered
from quorate.harness.systems.simulated.cluster import SimulatedCluster

_POLL_S: Final = 0.02
_ASLEEP_SHARE: Final = 0.25
_AHEAD_SHARE: Final = 0.25
Entries: TypeAlias = Mapping[str, Sequence[Any]]


async def wait(
    call: Callable[[], Awaitable[Reply]], cluster: SimulatedCluster, asked: int, wait_s: float
) -> Answered:
    """Return what the first read above the index shows, or the last one when the wait is over."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait_s
    asleep = asked > 0 and cluster.strikes("wake-up-lost", _ASLEEP_SHARE)
    shown: Entries | None = None
    # Not `until`: how long it sleeps depends on the bug.
    while True:
        reply = await call()
        index, entries = reply.value
        if loop.time() >= end or (index > asked and not asleep):
            ahead = cluster.bug == "index-ahead" and cluster.rng.random() < _AHEAD_SHARE
            if ahead and shown is not None:
                cluster.acted()
            told = shown if ahead and shown is not None else entries
            return Answered(index, {name: list(entry) for name, entry in told.items()})
        shown = entries
        # A server that was not woken finds out when the wait is over.
        await asyncio.sleep(max(0.0, end - loop.time()) if asleep else _POLL_S)
