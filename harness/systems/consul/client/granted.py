"""Keys held by their own sessions, deleted with them: made, renewed by hand, destroyed, and read all at once."""

from __future__ import annotations

import math
from typing import Final

from quorate.harness.core.capabilities import together
from quorate.harness.core.outcome import ANSWERED, OutcomeError, Refused, Reply
from quorate.harness.systems.consul.client.caller import encode
from quorate.harness.systems.consul.client.sessions import SessionCalls

_TTL_LEAST_S: Final = 10


class GrantedCalls(SessionCalls):
    """Sessions with behaviour "delete".

    Documented: a session ends between once and twice its time to live after its last renewal, which the leader answers,
    and all begin anew with a new leader. One that is tied to Serf's health check can end at any time.
    """

    async def grant_key(self, space: str, name: str, ttl_s: float, beside: int = 0) -> Reply:
        """Create a session, then the keys, acquired with it; a session without keys shows in no history."""
        deadline = self.deadline()
        ttl = max(_TTL_LEAST_S, math.ceil(ttl_s))
        try:
            made = await self.create_session(behaviour="delete", ttl_s=ttl, deadline=deadline)
        except OutcomeError as error:
            raise Refused("no-session", str(error)) from error
        session = str(made.value)
        (entry, *_) = await self.txn(
            [
                {
                    "Verb": "lock",
                    "Key": self.path("granted", f"{space}/{one}"),
                    "Value": encode(self.name),
                    "Session": session,
                }
                for one in together(name, beside)
            ],
            deadline=deadline,
        )
        sooner_ms = 1000 * ttl if self.options.serf_check else 0
        told = {"ttl_ms": 1000 * ttl, "sooner_ms": sooner_ms, "later_ms": 1000 * ttl, "relay_ms": 0}
        return self.reply({"lease": session, **told}, entry["ModifyIndex"], session)

    async def renew_key(self, space: str, name: str, lease: str) -> Reply:
        """Renew the session."""
        del space, name
        try:
            return await self.renew_session(lease)
        except Refused as error:
            raise (
                Refused("lease-gone", error.text, answer=ANSWERED) if error.code == "not-found" else error
            ) from None

    async def revoke_key(self, space: str, name: str, lease: str) -> Reply:
        """Destroy the session, and with it its key; Consul does not report whether there was one."""
        del space, name
        return await self.destroy_session(lease)

    async def granted_keys(self, space: str) -> Reply:
        """Read the names consistently, in one query, and the term that the server asked is in."""
        deadline = self.deadline()
        where = f"{space}/"
        answer = await self.look(self.url_of("granted", where), deadline=deadline, query="keys&consistent")
        about = await self.look("/v1/agent/self", deadline=deadline)
        names = sorted(name.removeprefix(self.path("granted", where)) for name in answer.body or [])
        term = int(about.body["Stats"]["raft"]["term"])
        return self.reply({"names": names, "term": term}, answer.index, answer=answer)
