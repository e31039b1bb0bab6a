"""Watches: one-shot as ZooKeeper always had them, and persistent ones (from 3.6 on); events exactly as they come.

An event says that something changed, not what: changes between a one-shot event and the next registration are missed
(documented). Watches end with their connection here: nothing registers them again behind a test's back.
"""

from __future__ import annotations

import asyncio

from kazoo.protocol.serialization import Exists, GetChildren2, GetData

from quorate.harness.core.outcome import Refused, Reply, Unknown
from quorate.harness.systems.zookeeper.client.caller import Caller, decode
from quorate.harness.systems.zookeeper.client.connection import Notice
from quorate.harness.systems.zookeeper.client.records import AddWatch, RemoveWatches


class WatchCalls(Caller):
    """Register watches on literal paths, and take their events in the order of the connection."""

    async def watch_data(self, node: str) -> Reply:
        """Read a node and watch it once; without a node, watch for its creation. The value is what was read."""
        async with self.operation("watch data") as link:
            try:
                data, stat = (await link.request(GetData(node, True))).value
            except Refused as error:
                if error.code != "not-found":
                    raise
                return await self._watch_absent(node)
            return self.reply(link, decode(data), stat.mzxid)

    async def _watch_absent(self, node: str) -> Reply:
        link = await self.live()
        try:
            await link.request(Exists(node, True))
        except Refused as error:
            if error.code != "not-found":
                raise
        return self.reply(link)

    async def watch_children(self, node: str) -> Reply:
        """List a node's children and watch them once; the value is the sorted list."""
        async with self.operation("watch children") as link:
            names, stat = (await link.request(GetChildren2(node, True))).value
            return self.reply(link, sorted(names), stat.pzxid)

    async def watch_for_good(self, node: str, *, recursive: bool = False) -> Reply:
        """Watch persistently, `recursive` with all nodes below (from 3.6 on)."""
        async with self.operation("add watch") as link:
            await link.request(AddWatch(node, recursive))
            return self.reply(link)

    async def unwatch(self, node: str) -> Reply:
        """Remove all watches of this session on a node (from 3.5 on); `Refused("no-watch")` where there is none."""
        async with self.operation("remove watches") as link:
            await link.request(RemoveWatches(node))
            return self.reply(link)

    async def next_notice(self, timeout_s: float) -> Notice | None:
        """Return the next event, or None if there is none in time; `Unknown` once the connection has ended."""
        link = self._link
        if link is None:
            raise Unknown("connection-lost", "no connection, and so no watches")
        try:
            async with asyncio.timeout(timeout_s):
                notice = await link.notices.get()
        except TimeoutError:
            return None
        if notice is None:
            link.notices.put_nowait(None)
            raise Unknown("connection-lost", link.why)
        return notice
