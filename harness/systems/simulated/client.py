"""A client of the simulated store, with every capability. It never retries an operation."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from quorate.harness.core.outcome import ANSWERED, Refused, Reply, Unknown
from quorate.harness.systems.simulated.agents import AgentCalls
from quorate.harness.systems.simulated.cluster import SimulatedCluster, SimulatedNode
from quorate.harness.systems.simulated.watchers import WatcherCalls

_POLL_S: Final = 0.02


class SimulatedClient(AgentCalls, WatcherCalls):
    """Every capability."""

    def __init__(self, cluster: SimulatedCluster, nodes: Sequence[SimulatedNode], timeout_s: float) -> None:
        super().__init__(cluster, nodes, timeout_s)
        self._terms: dict[str, int] = {}

    async def read(self, key: str) -> Reply:
        """Read a register."""
        return await self._call("read", key)

    async def write(self, key: str, value: Any) -> Reply:
        """Write a register."""
        return await self._call("write", key, value)

    async def cas(self, key: str, old: Any, new: Any) -> Reply:
        """Compare and set a register."""
        return await self._call("cas", key, (old, new))

    async def enlist(self, space: str, service: str, value: Any) -> Reply:
        """Enter a service: a register like any other."""
        return await self._call("write", f"{space}/{service}", value)

    async def find(self, space: str, service: str, healthy: bool) -> Reply:  # noqa: FBT001 - as the capability says
        """Look it up."""
        del healthy
        return await self._call("read", f"{space}/{service}")

    async def add(self, key: str, element: int) -> Reply:
        """Add to a set."""
        return await self._call("add", key, element)

    async def members(self, key: str) -> Reply:
        """Read a set."""
        return await self._call("members", key)

    async def transact(self, micro: Sequence[Sequence[Any]]) -> Reply:
        """Run a transaction."""
        return await self._call("txn", argument=micro)

    async def enqueue(self, key: str, value: Any) -> Reply:
        """Put at a queue's tail."""
        return await self._call("enqueue", key, value)

    async def dequeue(self, key: str) -> Reply:
        """Take a queue's head."""
        return await self._call("dequeue", key)

    async def acquire(self, key: str) -> Reply:
        """Take a lock; the fencing token is the log index."""
        return await self._call("acquire", key)

    async def release(self, key: str) -> Reply:
        """Give a lock back."""
        return await self._call("release", key)

    async def increment(self, key: str, amount: int) -> Reply:
        """Add to a counter."""
        return await self._call("increment", key, amount)

    async def value(self, key: str) -> Reply:
        """Read a counter."""
        return await self._call("value", key)

    async def current(self, space: str, name: str) -> Reply:
        """Read a name; the version is the store's."""
        return await self._call("current", f"{space}/{name}")

    async def change(
        self,
        space: str,
        changes: Mapping[str, Any],
        past: int | None = None,
        compare_all: bool = False,  # noqa: FBT001, FBT002 - as the capability says
    ) -> Reply:
        """Change names at once; comparing all costs nothing here."""
        del compare_all
        return await self._call("change", space, (dict(changes), past))

    async def forget(self, space: str, revision: int) -> Reply:
        """Compact."""
        return await self._call("forget", space, revision)

    async def replace(self, space: str, name: str, value: Any, known: int) -> Reply:
        """Change an object whose latest revision is known."""
        return await self._call("replace", f"{space}/{name}", (value, known))

    async def listing(self, space: str, revision: int | None, page: int) -> Reply:
        """Ask for page after page, from the second on at the revision of the first."""
        objects: list[Any] = []
        at, told, after, more = revision, 0, "", True
        while more:
            try:
                reply = await self._call("listing", space, (at, after, page))
            except Unknown as error:
                raise Refused("unread", f"a list that was not read to its end: {error}") from error
            found, more = reply.value
            told = told or reply.version or 0
            at = told if at is None else at
            objects += found
            after = objects[-1][0] if objects else ""
        return Reply({"at": at, "objects": objects}, told)

    async def grant_key(self, space: str, name: str, ttl_s: float, beside: int = 0) -> Reply:
        """Make a key that lives so long after each renewal, with others; its name is its lease."""
        reply = await self._call("grant", f"{space}/{name}", (ttl_s, beside))
        told = {"sooner_ms": 0, "later_ms": 0, "relay_ms": 0}
        return msgspec.structs.replace(reply, value={"lease": name, "ttl_ms": round(1000 * ttl_s), **told})

    async def renew_key(self, space: str, name: str, lease: str) -> Reply:
        """Keep it alive."""
        del lease
        return await self._call("renew", f"{space}/{name}")

    async def revoke_key(self, space: str, name: str, lease: str) -> Reply:
        """End it."""
        del lease
        return await self._call("revoke", f"{space}/{name}")

    async def campaign(self, key: str, value: Any) -> Reply:
        """Ask again and again to be elected, until the deadline."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timeout_s
        # Not `until`: each attempt is a call, whose refusal is the answer at the deadline.
        while True:
            try:
                reply = await self._call("campaign", key, [value, None])
            except Refused as error:
                if error.code != "not-elected" or loop.time() + _POLL_S >= end:
                    raise
            else:
                self._terms[key] = reply.value
                return reply
            await asyncio.sleep(_POLL_S)

    async def proclaim(self, key: str, value: Any) -> Reply:
        """Speak as the leader."""
        return await self._call("proclaim", key, [value, self._terms.get(key)])

    async def leader(self, key: str) -> Reply:
        """Ask who leads."""
        reply = await self._call("leader", key)
        if reply.value is None:
            raise Refused("nobody-elected", answer=ANSWERED)
        return reply

    async def resign(self, key: str) -> Reply:
        """Give the leadership up."""
        return await self._call("resign", key)

    async def next_id(self, key: str) -> Reply:
        """Draw a number: the log index."""
        return await self._call("next_id", key)

    async def granted_keys(self, space: str) -> Reply:
        """Read all keys of a space that live."""
        return await self._call("granted", space)
