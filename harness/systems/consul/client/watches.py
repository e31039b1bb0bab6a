"""Blocking queries: wait until a key or prefix has an index above the one known.

Documented: changes in between are not reported one by one, only the state after them; an index may go backwards, and
the caller then starts again at 0.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from quorate.harness.core.outcome import Refused
from quorate.harness.systems.consul.client.caller import MODES, Answer, Caller, decode

_GRACE: Final = 1 / 16  # Consul adds up to a sixteenth of the wait at random


class Seen(msgspec.Struct, frozen=True):
    """What a blocking query returned: the `index` to wait on next, and values with their ModifyIndex by key."""

    index: int
    entries: dict[str, tuple[Any, int]]
    evidence: str | None = None


class WatchCalls(Caller):
    """Wait for changes of keys."""

    async def changed(
        self, kind: str, key: str, index: int, wait_s: float, *, prefix: bool = False
    ) -> Seen | None:
        """Return the state once its index is above `index` (0: at once), or None if that does not come in time."""
        answer = await self.block(kind, key, index, wait_s, prefix=prefix)
        if answer.index is None:
            raise Refused("unread", "the answer has no X-Consul-Index")
        if index and answer.index == index:
            return None
        entries = {entry["Key"]: (decode(entry), entry["ModifyIndex"]) for entry in answer.body or []}
        # An index that went backwards is not an order to wait on: begin anew, as Consul's documentation says.
        return Seen(answer.index if answer.index >= index else 0, entries, answer.evidence())

    async def block(self, kind: str, key: str, index: int, wait_s: float, *, prefix: bool) -> Answer:
        """Make one blocking query; its deadline is the wait with what Consul adds, and the client's own."""
        query = [f"index={index}", f"wait={max(1, round(wait_s * 1000))}ms"]
        query += ["recurse"] if prefix else []
        query += [MODES[self.options.reads]] if MODES[self.options.reads] else []
        deadline = asyncio.get_running_loop().time() + wait_s * (1 + _GRACE) + self.timeout_s
        return await self.look(self.url_of(kind, key), deadline=deadline, query="&".join(query))
