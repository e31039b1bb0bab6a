"""Notices: watches that stand while a client listens, and everything that came on its connection, in its order.

Only reads are sent, so nothing is ever left open. A call that fails ends the connection, and the watches with it: what
it would have carried is lost, and no later call continues from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from kazoo.protocol.serialization import Delete, Exists, GetData, SetData, Sync

from quorate.harness.core.outcome import Refused, Reply
from quorate.harness.systems.zookeeper.client.caller import Caller, decode
from quorate.harness.systems.zookeeper.client.connection import Heard, Link, Notice
from quorate.harness.systems.zookeeper.client.outcomes import NOT_FOUND
from quorate.harness.systems.zookeeper.client.records import AddWatch

_KINDS: Final = {1: "created", 2: "deleted", 3: "changed"}


class Listening:
    """The watches of one connection in one space, and what was heard since the last call (`capabilities.Notices`).

    Watches that the connection had in another space may still fire: they are ignored.
    """

    def __init__(self, link: Link, number: int, root: str, *, once: bool) -> None:
        self.link = link
        self.number = number
        self.once = once
        self.items: list[list[Any]] = []
        self.told: dict[str, None] = {}  # names not read since their notice, in its order
        self.woken = asyncio.Event()
        self.root = root
        self._below = f"{root}/"
        link.tap = self._hear

    def _hear(self, heard: Heard) -> None:
        match heard.record:
            case Notice(kind, node):
                # A persistent watch also reports the space itself and, before 3.9, its list of children.
                if kind in _KINDS and node.startswith(self._below):
                    name = node.removeprefix(self._below)
                    self.items.append(["told", _KINDS[kind], name, heard.zxid])
                    self.told[name] = None
                    self.woken.set()
            case AddWatch(self.root) if not heard.err:
                self.items.append(["set", heard.zxid])
            case GetData(node) | Exists(node) if heard.err in {0, NOT_FOUND} and node.startswith(self._below):
                self.items.append(self._read(heard))
            case _:
                pass

    def _read(self, heard: Heard) -> list[Any]:
        node, watched = heard.record
        name = node.removeprefix(self._below)
        looked = isinstance(heard.record, GetData)
        if heard.err:
            # A watch on data that is not there is none; `exists` sets one in any case.
            return ["read", name, None, 0, heard.zxid, watched and not looked]
        if looked:
            data, stat = heard.value
            return ["read", name, decode(data), stat.mzxid, heard.zxid, watched]
        return ["read", name, None, heard.value.mzxid, heard.zxid, watched]


class NoticeCalls(Caller):
    """A space is a node, its names are the children."""

    _listening: Listening | None = None
    _watches = 0
    _turns = 0

    async def set_name(self, space: str, name: str, value: Any) -> Reply:
        """Set the node's data, create it or delete it: one change at most."""
        async with self.operation("set name") as link:
            node = f"{self.path('names', space)}/{name}"
            if value is None:
                return self.reply(link, "deleted", (await link.request(Delete(node, -1))).zxid)
            try:
                answer = await link.request(SetData(node, self.stored(value), -1))
                return self.reply(link, "changed", answer.value.mzxid)
            except Refused as error:
                if error.code != "not-found":
                    raise
            return self.reply(link, "created", (await self.create(link, node, value)).zxid)

    async def heed(
        self,
        space: str,
        names: Sequence[str],
        seconds: float,
        once: bool,  # noqa: FBT001 - as the capability says
    ) -> Reply:
        """Listen; every answer and notice of the connection stands in the reply."""
        root = self.path("names", space)
        try:
            async with self.operation("heed") as link:
                listening = self._listening
                if listening is None or listening.link is not link or listening.root != root:
                    listening = await self._listen(link, root, names, once=once)
                await self._wait(listening, root, seconds)
                await self._fence(listening, f"{root}/{names[self._turns % len(names)]}")
                self._turns += 1
                items, listening.items = listening.items, []
                value = {"watch": listening.number, "once": listening.once, "items": items}
                return self.reply(link, value)
        except BaseException:
            self._listening = None
            self._park()
            raise

    async def _listen(self, link: Link, root: str, names: Sequence[str], *, once: bool) -> Listening:
        self._watches += 1
        once = once or not self.options.persistent
        listening = Listening(link, self._watches, root, once=once)
        if once:
            await _read_and_watch(link, [f"{root}/{name}" for name in names])
        else:
            await link.request(AddWatch(root, recursive=True))
        self._listening = listening
        return listening

    @staticmethod
    async def _wait(listening: Listening, root: str, seconds: float) -> None:
        """Read what notices name, until the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while loop.time() < end:
            try:
                async with asyncio.timeout_at(end):
                    await listening.woken.wait()
            except TimeoutError:
                return
            listening.woken.clear()
            nodes = [f"{root}/{name}" for name in listening.told]
            listening.told.clear()
            if listening.once:
                await _read_and_watch(listening.link, nodes)
            else:
                await _all(listening.link, [GetData(node, False) for node in nodes])

    async def _fence(self, listening: Listening, node: str) -> None:
        """One read at the end, after a `sync` where reads are such: all notices up to its state have come before."""
        requests: list[Any] = [Sync(node)] if self.options.reads == "sync" else []
        await _all(listening.link, [*requests, GetData(node, False)])


async def _read_and_watch(link: Link, nodes: Sequence[str]) -> None:
    """Read nodes and watch them once, those that are not there for their creation."""
    absent = await _all(link, [GetData(node, True) for node in nodes])
    await _all(link, [Exists(node, True) for node, missing in zip(nodes, absent, strict=True) if missing])


async def _all(link: Link, requests: Sequence[Any]) -> list[bool]:
    """Send requests at once; return which found nothing. Raises what else the first of them ended with."""
    ends = await asyncio.gather(*(link.request(each) for each in requests), return_exceptions=True)
    absent = [isinstance(end, Refused) and end.code == "not-found" for end in ends]
    for end, missing in zip(ends, absent, strict=True):
        if isinstance(end, BaseException) and not missing:
            raise end
    return absent
