"""Idle connections that a client keeps to its server, as the pools of users' HTTP clients do.

Each call that gets no answer costs its connection. On a server that is frozen a new one does not help to see what it
says first when it wakes: it lies in the listen queue, and Consul finds out that it was deposed before it has accepted
it. What lies in a connection that it knows already is answered at once, from a state that may be old.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import aiohttp

# Cheap, and answered by each server by itself.
_PATH: Final = "/v1/status/leader"


class Spares:
    """Keeps up to `count` connections in the pool; needs to hear how calls end.

    They are opened behind the first answer, and again behind the first answer after losses: never while a call waits
    for a server that may be down.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, count: int, timeout_s: float) -> None:
        self._http = http
        self._url = url + _PATH
        self._count = count
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._wanted = count > 0
        self._filling: asyncio.Task[None] | None = None

    def answered(self) -> None:
        """Fill the pool if something is missing."""
        if self._wanted and self._filling is None:
            self._wanted = False
            self._filling = asyncio.get_running_loop().create_task(self._fill(), name="spare connections")

    def lost(self) -> None:
        """A call went unanswered, and its connection with it."""
        self._wanted = self._count > 0

    async def close(self) -> None:
        """Stop filling."""
        if self._filling is not None:
            self._filling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._filling

    async def _fill(self) -> None:
        """Make calls at the same time: each needs its own connection, and leaves it in the pool."""
        try:
            await asyncio.gather(*(self._call() for _ in range(self._count)))
        finally:
            self._filling = None

    async def _call(self) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with self._http.get(self._url, allow_redirects=False, timeout=self._timeout) as answer:
                await answer.read()
