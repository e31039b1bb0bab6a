"""Long polls as users run them: one blocking query after the other, on a key or a prefix, from the index last told."""

from __future__ import annotations

from typing import Any, Final

from harness.outcome import Refused, Reply
from harness.systems.consul.caller import decode, encode, path
from harness.systems.consul.watches import WatchCalls
from harness.systems.polls import Answered, StandingPoll

_KIND: Final = "names"


class PollCalls(WatchCalls):
    """A space is a prefix, its names are the keys below."""

    _polling: StandingPoll | None = None
    _polls = 0

    async def set_name(self, space: str, name: str, value: Any) -> Reply:
        """Set the key or delete it. Consul does not tell the index of a deletion, nor whether anything was there."""
        key = path(_KIND, f"{space}/{name}")
        if value is None:
            await self.txn([{"Verb": "delete", "Key": key}])
            return self.reply()
        (entry,) = await self.txn([{"Verb": "set", "Key": key, "Value": encode(value)}])
        return self.reply(None, entry["ModifyIndex"])

    async def poll(self, space: str, name: str | None, wait_s: float, seconds: float) -> Reply:
        """Read what the standing poll was told; it is given up where a query fails."""
        polling, self._polling = self._polling, None
        of = (space, name, wait_s)
        if polling is not None and polling.of != of:
            await polling.close()
            polling = None
        if polling is None:
            self._polls += 1
            where = f"{space}/" if name is None else f"{space}/{name}"

            async def ask(index: int) -> Answered:
                answer = await self.block(_KIND, where, index, wait_s, prefix=name is None)
                if answer.index is None:
                    raise Refused("unread", "the answer has no X-Consul-Index")
                cut = len(path(_KIND, f"{space}/"))
                entries = {one["Key"][cut:]: [decode(one), one["ModifyIndex"]] for one in answer.body or []}
                return Answered(answer.index, entries)

            polling = StandingPoll(self._polls, of, ask)
        try:
            answers = await polling.take(seconds)
        except BaseException:
            await polling.close()
            raise
        self._polling = polling
        return self.reply({"watch": polling.number, "mode": self.options.reads, "answers": answers})

    async def close(self) -> None:
        """Give the poll up too."""
        if self._polling is not None:
            await self._polling.close()
        await super().close()
