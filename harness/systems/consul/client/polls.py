"""Long polls as users run them: one blocking query after the other, on a key or a prefix, from the last index seen."""

from __future__ import annotations

from typing import Any, Final

from quorate.harness.core.outcome import Refused, Reply
from quorate.harness.systems.consul.client.caller import decode
from quorate.harness.systems.consul.client.watches import WatchCalls
from quorate.harness.systems.polls import Answered, Polls

_KIND: Final = "names"


class PollCalls(WatchCalls):
    """A space is a prefix, its names are the keys below."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._polls = Polls()

    async def set_name(self, space: str, name: str, value: Any) -> Reply:
        """Set the key or delete it. Consul does not report the index of a deletion, nor whether anything was there."""
        key = self.path(_KIND, f"{space}/{name}")
        if value is None:
            await self.txn([{"Verb": "delete", "Key": key}])
            return self.reply()
        (entry,) = await self.txn([{"Verb": "set", "Key": key, "Value": self.stored(value)}])
        return self.reply(None, entry["ModifyIndex"])

    async def poll(self, space: str, name: str | None, wait_s: float, seconds: float) -> Reply:
        """Read what the standing poll received; it is given up where a query fails."""
        where = f"{space}/" if name is None else f"{space}/{name}"

        async def ask(index: int) -> Answered:
            answer = await self.block(_KIND, where, index, wait_s, prefix=name is None)
            if answer.index is None:
                raise Refused("unread", "the answer has no X-Consul-Index")
            cut = len(self.path(_KIND, f"{space}/"))
            entries = {one["Key"][cut:]: [decode(one), one["ModifyIndex"]] for one in answer.body or []}
            return Answered(answer.index, entries)

        told = await self._polls.take((space, name, wait_s), ask, seconds)
        return self.reply({**told, "mode": self.options.reads})

    async def close(self) -> None:
        """Give the poll up too."""
        await self._polls.close()
        await super().close()
