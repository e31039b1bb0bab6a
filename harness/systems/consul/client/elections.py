"""Elections as Consul's guide describes them: who holds the key's lock leads, and the key says who that is.

The token is the key's LockIndex, which counts how often the lock was taken (Consul's sequencer).
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from quorate.harness.core.outcome import ANSWERED, UNASKED, Refused, Reply
from quorate.harness.systems.consul.client.caller import decode, encode
from quorate.harness.systems.consul.client.locks import LockCalls

_POLL_S: Final = 0.03
_LOST: Final = frozenset({"session-invalid", "conflict", "not-held", "held"})


class ElectionCalls(LockCalls):
    """Campaign, speak, ask and resign, with the client's own session; and numbers from the store's index."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._leads: dict[str, tuple[str, int]] = {}
        self._drawn = 0

    async def campaign(self, key: str, value: Any) -> Reply:
        """Try to take the lock until the deadline: `Refused("not-elected")` where somebody else had it to the end."""
        deadline = self.deadline()
        # Not `until`: each attempt is a call, whose refusal is the answer at the deadline.
        while True:
            session = await self.own_session(deadline)
            try:
                (entry,) = await self.txn(
                    [_operation("lock", self.path("election", key), session, value)], deadline=deadline
                )
                break
            except Refused as error:
                if error.code == "session-invalid":
                    self.session_lost()
                elif error.code not in {"held", "lock-delay"}:
                    raise
                if deadline - asyncio.get_running_loop().time() < 2 * _POLL_S:
                    raise Refused("not-elected", error.text, answer=ANSWERED) from error
            await asyncio.sleep(_POLL_S)
        self._leads[key] = (session, entry["LockIndex"])
        return self.reply(entry["LockIndex"], entry["ModifyIndex"], session)

    async def proclaim(self, key: str, value: Any) -> Reply:
        """Write the key, again with the lock, under the condition that this client's session holds it.

        A plain write would do as well, but sets the count of the lock back to 0.
        """
        session, token = self._led(key)
        check = {"Verb": "check-session", "Key": self.path("election", key), "Session": session}
        try:
            done = await self.txn([check, _operation("lock", self.path("election", key), session, value)])
        except Refused as error:
            raise (
                Refused("not-elected", error.text, answer=ANSWERED) if error.code in _LOST else error
            ) from None
        return self.reply(token, done[-1]["ModifyIndex"], session)

    async def leader(self, key: str) -> Reply:
        """Read the key consistently: whoever's session holds its lock leads."""
        entry, answer = await self.entry("election", key, "consistent")
        if entry is None or not entry.get("Session"):
            raise Refused("nobody-elected", answer=ANSWERED)
        return self.reply([decode(entry), entry["LockIndex"]], entry["ModifyIndex"], answer=answer)

    async def resign(self, key: str) -> Reply:
        """Release the lock; the key stays, and so does its count."""
        session, _ = self._led(key)
        try:
            (entry,) = await self.txn([_operation("unlock", self.path("election", key), session, None)])
        except Refused as error:
            raise (
                Refused("not-elected", error.text, answer=ANSWERED) if error.code in _LOST else error
            ) from None
        return self.reply(None, entry["ModifyIndex"], session)

    async def next_id(self, key: str) -> Reply:
        """Write the key; the value is the index of that write. Writing what is there already would be none."""
        self._drawn += 1
        unique = encode([self.name, self._drawn])
        (entry,) = await self.txn([{"Verb": "set", "Key": self.path("ids", key), "Value": unique}])
        return self.reply(entry["ModifyIndex"], entry["ModifyIndex"])

    def _led(self, key: str) -> tuple[str, int]:
        if key not in self._leads:
            raise Refused("not-elected", f"this client was not elected in {key}", answer=UNASKED)
        return self._leads[key]


def _operation(verb: str, where: str, session: str, value: Any) -> dict[str, Any]:
    return {"Verb": verb, "Key": where, "Value": encode(value), "Session": session}
