"""Registers, sets and counters over keys. Writes go through transactions: only their replies carry the index."""

from __future__ import annotations

from typing import Any

from quorate.harness.core.outcome import ANSWERED, Refused, Reply
from quorate.harness.systems.consul.client.caller import MODES, Caller, decode, encode


class RegisterCalls(Caller):
    """Registers by key."""

    async def read(self, key: str) -> Reply:
        """Read in the mode of the options; the reply carries the server's evidence of freshness."""
        entry, answer = await self.entry("register", key, self.options.reads)
        return self.reply(decode(entry), entry["ModifyIndex"] if entry else None, answer=answer)

    async def write(self, key: str, value: Any) -> Reply:
        """Set, whatever was there."""
        (entry,) = await self.txn(
            [{"Verb": "set", "Key": self.path("register", key), "Value": self.stored(value)}]
        )
        return self.reply(None, entry["ModifyIndex"])

    async def cas(self, key: str, old: Any, new: Any) -> Reply:
        """Compare the value (read consistently), then set if the index has not moved.

        Consul compares indexes, not values. A refusal by the value reports what was seen, whatever the read mode of the
        options: it was read in consistent mode. `Refused("conflict")` means that somebody wrote in between.
        """
        deadline = self.deadline()
        entry, _ = await self.entry("register", key, "consistent", deadline)
        seen = decode(entry)
        if seen != old:
            version = entry["ModifyIndex"] if entry else None
            raise Refused("mismatch", f"it holds {seen!r}", seen=seen, version=version, answer=ANSWERED)
        index = entry["ModifyIndex"] if entry else 0
        operation = {
            "Verb": "cas",
            "Key": self.path("register", key),
            "Value": self.stored(new),
            "Index": index,
        }
        (done,) = await self.txn([operation], deadline=deadline)
        return self.reply(None, done["ModifyIndex"])


class SetCalls(Caller):
    """Sets: a key for each element, below a prefix."""

    async def add(self, key: str, element: int) -> Reply:
        """Add an element; adding twice is adding once."""
        (entry,) = await self.txn(
            [{"Verb": "set", "Key": self.path("set", f"{key}/{element}"), "Value": encode(element)}]
        )
        return self.reply(None, entry["ModifyIndex"])

    async def members(self, key: str) -> Reply:
        """Read all elements in one query, in the mode of the options."""
        mode = MODES[self.options.reads]
        answer = await self.look(self.url_of("set", f"{key}/"), query=f"keys&{mode}" if mode else "keys")
        return self.reply(sorted(int(name.rpartition("/")[2]) for name in answer.body or []), answer=answer)


class CounterCalls(Caller):
    """Counters: read consistently, then compare-and-set; somebody in between is a `Refused("conflict")`."""

    async def increment(self, key: str, amount: int) -> Reply:
        """Add the amount, once or not at all."""
        deadline = self.deadline()
        entry, _ = await self.entry("counter", key, "consistent", deadline)
        index = entry["ModifyIndex"] if entry else 0
        value = self.stored((decode(entry) or 0) + amount)
        operation = {"Verb": "cas", "Key": self.path("counter", key), "Value": value, "Index": index}
        (done,) = await self.txn([operation], deadline=deadline)
        return self.reply(None, done["ModifyIndex"])

    async def value(self, key: str) -> Reply:
        """Read in the mode of the options; 0 where nothing was added."""
        entry, answer = await self.entry("counter", key, self.options.reads)
        return self.reply(decode(entry) or 0, entry["ModifyIndex"] if entry else None, answer=answer)
