"""Elections by ephemeral sequence nodes, and numbers from plain ones.

The candidate with the lowest number leads (ZooKeeper's recipe), so the number is the term's token. A candidate that is
the lowest in any state stays it until its own node goes: what a server that lags says of that is true.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from kazoo.protocol.serialization import Delete, GetData, SetData

from quorate.harness.core.outcome import ANSWERED, UNASKED, OutcomeError, Refused, Reply
from quorate.harness.systems.values import encode
from quorate.harness.systems.zookeeper.client.caller import EPHEMERAL, SEQUENCE, Caller, decode
from quorate.harness.systems.zookeeper.client.connection import Link

_DIGITS: Final = 10
_POLL_S: Final = 0.02


class ElectionCalls(Caller):
    """Campaign, speak, ask and resign."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._stood: dict[str, str] = {}

    async def campaign(self, key: str, value: Any) -> Reply:
        """Become a candidate and wait to be the lowest; at the deadline the fate of the candidacy is unknown."""
        async with self.operation("campaign") as link:
            where = self.path("election", key)
            answer = await self.create(link, f"{where}/c-", value, EPHEMERAL | SEQUENCE)
            mine = str(answer.value).rpartition("/")[2]
            # Not `until`: the deadline is the connection's.
            while True:
                names, stat = await self.children(link, where, fresh=False)
                if mine not in names:
                    raise Refused("not-elected", "the session ended while it waited")
                if mine == _lowest(names):
                    break
                await asyncio.sleep(_POLL_S)
                if asyncio.get_running_loop().time() > link.deadline:
                    raise TimeoutError
            self._stood[key] = mine
            return self.reply(link, _number(mine), stat.pzxid)

    async def proclaim(self, key: str, value: Any) -> Reply:
        """Write to the candidate's own node, which is there as long as its session lives."""
        async with self.operation("proclaim") as link:
            mine = self._mine(key)
            answer = await self._on_own(
                link, SetData(f"{self.path('election', key)}/{mine}", encode(value), -1)
            )
            return self.reply(link, _number(mine), answer.zxid)

    async def leader(self, key: str) -> Reply:
        """Sync, find the lowest candidate, and read what it says."""
        async with self.operation("leader") as link:
            where = self.path("election", key)
            names, _ = await self.children(link, where, fresh=True)
            if not names:
                raise Refused("nobody-elected", answer=ANSWERED)
            lowest = _lowest(names)
            try:
                data, stat = (await link.request(GetData(f"{where}/{lowest}", False))).value
            except Refused as error:
                raise error.renamed({"not-found": "changing"}) from error
            return self.reply(link, [decode(data), _number(lowest)], stat.mzxid)

    async def resign(self, key: str) -> Reply:
        """Delete the candidate's node."""
        async with self.operation("resign") as link:
            mine = self._mine(key)
            answer = await self._on_own(link, Delete(f"{self.path('election', key)}/{mine}", -1))
            return self.reply(link, None, answer.zxid)

    async def next_id(self, key: str) -> Reply:
        """Create the next node of a sequence; its number is the value. The node itself is not needed any more."""
        async with self.operation("next id") as link:
            answer = await self.create(link, f"{self.path('ids', key)}/n-", None, SEQUENCE)
            reply = self.reply(link, _number(str(answer.value)), answer.zxid)
            with contextlib.suppress(OutcomeError, TimeoutError):
                await link.request(Delete(str(answer.value), -1))
            return reply

    def _mine(self, key: str) -> str:
        if key not in self._stood:
            raise Refused("not-elected", f"this client was not elected in {key}", answer=UNASKED)
        return self._stood[key]

    @staticmethod
    async def _on_own(link: Link, request: Any) -> Any:
        try:
            return await link.request(request)
        except Refused as error:
            raise error.renamed({"not-found": "not-elected"}) from error


def _number(name: str) -> int:
    return int(name[-_DIGITS:])


def _lowest(names: list[str]) -> str:
    return min(names, key=_number)
