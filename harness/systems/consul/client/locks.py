"""Locks as Consul's users run them: a session with a time to live, and a key acquired with it.

Nothing outside Consul is protected: a holder that was paused for longer than its session lives does not know that it
has lost the lock (documented). The value of an acquire is the fencing token to use for that: the ModifyIndex of the
lock's key, which grows with every holder.
"""

from __future__ import annotations

from typing import Any

from quorate.harness.core.outcome import ANSWERED, UNASKED, Refused, Reply
from quorate.harness.systems.consul.client.caller import encode
from quorate.harness.systems.consul.client.sessions import SessionCalls


class LockCalls(SessionCalls):
    """Acquire does not wait: `Refused("held")`, or `Refused("lock-delay")` while a lost lock rests."""

    async def acquire(self, key: str) -> Reply:
        """Take the lock with this client's session; the value is the fencing token."""
        deadline = self.deadline()
        session = await self.own_session(deadline)
        try:
            (entry,) = await self.txn(
                [_operation("lock", self.path("lock", key), self.name, session)], deadline=deadline
            )
        except Refused as error:
            if error.code == "session-invalid":
                self.session_lost()
            raise
        return self.reply(entry["ModifyIndex"], entry["ModifyIndex"], session)

    async def release(self, key: str) -> Reply:
        """Give it back; `Refused("not-held")` where this client's session does not hold it (any more)."""
        session = self._session
        if session is None:
            raise Refused("not-held", "the session is gone", answer=UNASKED)
        try:
            (entry,) = await self.txn([_operation("unlock", self.path("lock", key), None, session)])
        except Refused as error:
            if error.code == "session-invalid":
                self.session_lost()
                raise Refused("not-held", error.text, answer=ANSWERED) from error
            raise
        return self.reply(None, entry["ModifyIndex"], session)


def _operation(verb: str, where: str, value: Any, session: str) -> dict[str, Any]:
    return {"Verb": verb, "Key": where, "Value": encode(value), "Session": session}
