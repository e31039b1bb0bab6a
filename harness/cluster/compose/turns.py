"""The order in which containers start again: lowest address first, for the engine gives the lowest that is free.

So containers that died together come back where they were, and no client and no cut has to follow a move.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator
from typing import Final

_TOGETHER_S: Final = 0.05  # those that are healed together ask within a few milliseconds


class Turns:
    """Of one cluster."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._waiting: dict[str, str] = {}
        self._moved = asyncio.Condition(self._lock)

    @contextlib.asynccontextmanager
    async def of(self, name: str, address: str) -> AsyncIterator[None]:
        """Enter when no node with a lower address waits."""
        self._waiting[name] = address
        try:
            await asyncio.sleep(_TOGETHER_S)
            async with self._moved:
                await self._moved.wait_for(lambda: self._first() == name)
                yield
                del self._waiting[name]
                self._moved.notify_all()
        finally:
            self._waiting.pop(name, None)
            await self._wake()

    async def _wake(self) -> None:
        async with self._moved:
            self._moved.notify_all()

    def _first(self) -> str:
        return min(self._waiting, key=lambda one: (_number(self._waiting[one]), one))


def _number(address: str) -> int:
    return int(ipaddress.IPv4Address(address)) if address else 0
