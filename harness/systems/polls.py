"""A standing long poll: one query is always under way, and its answers are handed out when they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

_ANSWERS_MAX: Final = 10_000


class Answered(msgspec.Struct, frozen=True):
    """What one query returned: the index to ask on with, and `[value, version]` by name."""

    index: int
    entries: dict[str, list[Any]]


class StandingPoll:
    """Polls one thing over and over with `ask(index)`, which waits by itself until there is something new.

    An answer says when it was asked and when it came, both rounded so that it is never taken for fresher than it is.
    """

    def __init__(self, number: int, of: object, ask: Callable[[int], Awaitable[Answered]]) -> None:
        self.number = number
        self.of = of  # what is asked for
        self._ask = ask
        self._query: asyncio.Task[Answered] | None = None
        self._index = 0
        self._call = 0
        self._asked = (0, 0)

    async def take(self, seconds: float) -> list[dict[str, Any]]:
        """Return the answers that come within so long; raises what the query ended with."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        end = start + seconds
        answers: list[tuple[float, dict[str, Any]]] = []
        self._call += 1
        while len(answers) < _ANSWERS_MAX:
            if self._query is None:
                self._query = asyncio.ensure_future(self._ask(self._index))
                self._asked = (self._call, int(1e6 * (loop.time() - start)))
            done, _ = await asyncio.wait({self._query}, timeout=max(0.0, end - loop.time()))
            if not done:
                break
            told, self._query = self._query.result(), None
            call, after_us = self._asked
            said = {"asked": self._index, "calls": self._call - call, "after_us": after_us}
            answers.append((loop.time(), said | {"index": told.index, "entries": told.entries}))
            # An index that went backwards is none to wait on: begin anew.
            self._index = told.index if told.index >= self._index else 0
        over = loop.time()
        return [said | {"before_us": int(1e6 * (over - at))} for at, said in answers]

    async def close(self) -> None:
        """Give the query up; its result is dropped."""
        query, self._query = self._query, None
        if query is not None:
            query.cancel()
            await asyncio.wait({query})
            if not query.cancelled():
                query.exception()  # no caller waits for it any more


class Polls:
    """The one standing poll of a client: continued while the same is asked for, given up where a query fails."""

    def __init__(self) -> None:
        self._standing: StandingPoll | None = None
        self._begun = 0

    async def take(
        self, of: object, ask: Callable[[int], Awaitable[Answered]], seconds: float
    ) -> dict[str, Any]:
        """Return the number of the poll of `of` and its answers within so long; raises what its query ended with."""
        standing, self._standing = self._standing, None
        if standing is not None and standing.of != of:
            await standing.close()
            standing = None
        if standing is None:
            self._begun += 1
            standing = StandingPoll(self._begun, of, ask)
        try:
            answers = await standing.take(seconds)
        except BaseException:  # cancelled, too: nothing must be left under way
            await standing.close()
            raise
        self._standing = standing
        return {"watch": standing.number, "answers": answers}

    async def close(self) -> None:
        """Give up what is under way."""
        standing, self._standing = self._standing, None
        if standing is not None:
            await standing.close()
