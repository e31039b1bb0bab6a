"""Transactions: read the keys, then write under the condition that none of them has moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quorate.harness.core.outcome import Reply
from quorate.harness.systems.consul.client.caller import Caller, decode
from quorate.harness.systems.micro import play


class TransactionCalls(Caller):
    """Optimistic transactions over Consul's atomic ones, which cannot compute."""

    async def transact(self, micro: Sequence[Sequence[Any]]) -> Reply:
        """Run the micro-operations atomically; somebody in between is a `Refused("conflict")`.

        Phase one reads every key in consistent mode; phase two is one Consul transaction that checks the index of each
        key read and writes the others by compare-and-set, so it applies at one point or not at all. A transaction that
        only reads has the same second phase: it goes through the log, and its reads hold at one point.
        """
        deadline = self.deadline()
        names = list(dict.fromkeys(str(key) for _, key, _ in micro))
        entries = {name: (await self.entry("txn", name, "consistent", deadline))[0] for name in names}
        state = {name: decode(entry) for name, entry in entries.items()}
        done, written = play(micro, state)
        operations = [
            _write(self.path("txn", name), entries[name], self.stored(state[name], len(names)))
            if name in written
            else _check(self.path("txn", name), entries[name])
            for name in names
        ]
        results = await self.txn(operations, deadline=deadline)
        version = max((entry["ModifyIndex"] for entry in results if entry), default=None)
        return self.reply(done, version)


def _write(key: str, entry: dict[str, Any] | None, stored: str) -> dict[str, Any]:
    index = entry["ModifyIndex"] if entry else 0
    return {"Verb": "cas", "Key": key, "Value": stored, "Index": index}


def _check(key: str, entry: dict[str, Any] | None) -> dict[str, Any]:
    if entry is None:
        return {"Verb": "check-not-exists", "Key": key}
    return {"Verb": "check-index", "Key": key, "Index": entry["ModifyIndex"]}
