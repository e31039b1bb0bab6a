"""Registers, sets and counters over znodes; versions are zxids of the last change (mzxid, for children pzxid)."""

from __future__ import annotations

from kazoo.protocol.serialization import SetData

from quorate.harness.core.outcome import ANSWERED, Refused, Reply
from quorate.harness.systems.zookeeper.client.caller import Caller
from quorate.harness.systems.zookeeper.client.connection import Link


class RegisterCalls(Caller):
    """Registers: a node for each key."""

    async def read(self, key: str) -> Reply:
        """Read in the mode of the options."""
        async with self.operation("read") as link:
            value, stat = await self.get(link, self.path("register", key))
            return self.reply(link, value, stat.mzxid if stat else None)

    async def write(self, key: str, value: object) -> Reply:
        """Set the node, or create it where it was never written."""
        async with self.operation("write") as link:
            return await self._put(link, self.path("register", key), value)

    async def _put(self, link: Link, node: str, value: object) -> Reply:
        try:
            answer = await link.request(SetData(node, self.stored(value), -1))
            return self.reply(link, None, answer.value.mzxid)
        except Refused as error:
            if error.code != "not-found":
                raise
        try:
            created = await self.create(link, node, value)
            return self.reply(link, None, created.zxid)
        except Refused as error:
            if error.code != "exists":
                raise
        # Somebody else created it in between: the first two tries certainly changed nothing.
        answer = await link.request(SetData(node, self.stored(value), -1))
        return self.reply(link, None, answer.value.mzxid)

    async def cas(self, key: str, old: object, new: object) -> Reply:
        """Compare the value read (None: no node), then set under its version, or create the node.

        A refusal does not say what was seen: ZooKeeper reads, even after a sync, are not linearizable.
        """
        async with self.operation("cas") as link:
            node = self.path("register", key)
            value, stat = await self.get(link, node)
            if value != old:
                raise Refused("mismatch", f"the replica holds {value!r}", answer=ANSWERED)
            try:
                if stat is None:
                    created = await self.create(link, node, new)
                    return self.reply(link, None, created.zxid)
                answer = await link.request(SetData(node, self.stored(new), stat.version))
            except Refused as error:
                raise error.renamed({"bad-version": "conflict", "exists": "conflict"}) from error
            return self.reply(link, None, answer.value.mzxid)


class SetCalls(Caller):
    """Sets: a child for each element."""

    async def add(self, key: str, element: int) -> Reply:
        """Create the element's node; adding twice is adding once."""
        async with self.operation("add") as link:
            try:
                answer = await self.create(link, f"{self.path('set', key)}/{element}", element)
            except Refused as error:
                if error.code != "exists":
                    raise
                return self.reply(link)
            return self.reply(link, None, answer.zxid)

    async def members(self, key: str) -> Reply:
        """List the children, in the mode of the options."""
        async with self.operation("members") as link:
            names, stat = await self.children(link, self.path("set", key))
            return self.reply(link, sorted(int(name) for name in names), stat.pzxid if stat else None)


class CounterCalls(Caller):
    """Counters: set under the version read; somebody in between is a `Refused("conflict")`."""

    async def increment(self, key: str, amount: int) -> Reply:
        """Add the amount, once or not at all."""
        async with self.operation("increment") as link:
            node = self.path("counter", key)
            value, stat = await self.get(link, node)
            try:
                if stat is None:
                    created = await self.create(link, node, amount)
                    return self.reply(link, None, created.zxid)
                answer = await link.request(SetData(node, self.stored((value or 0) + amount), stat.version))
            except Refused as error:
                taken = error.code in {"bad-version", "exists"}
                raise Refused("conflict", error.text, answer=ANSWERED) if taken else error from error
            return self.reply(link, None, answer.value.mzxid)

    async def value(self, key: str) -> Reply:
        """Read in the mode of the options; 0 where nothing was added."""
        async with self.operation("value") as link:
            value, stat = await self.get(link, self.path("counter", key))
            return self.reply(link, value or 0, stat.mzxid if stat else None)
