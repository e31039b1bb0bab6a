"""Sessions: what Consul's locks live under, renewed in the background as Consul's own client does."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from quorate.harness.core.outcome import OutcomeError, Refused, Reply
from quorate.harness.systems.consul.client.caller import Caller

_RENEWALS: Final = 3  # in a time to live


class SessionCalls(Caller):
    """Create, renew, look up and end sessions; and one session that the client's locks live under.

    Consul ends a session between once and twice its time to live after the last renewal, and starts all of them anew
    when its leader changes (both documented).
    """

    _session: str | None = None
    _keeper: asyncio.Task[None] | None = None

    async def create_session(
        self, *, behaviour: str = "release", ttl_s: int | None = None, deadline: float | None = None
    ) -> Reply:
        """Create a session; the value is its id. Locks end with it: released, or with "delete" their keys deleted."""
        options = self.options
        body: dict[str, Any] = {
            "Name": self.name,
            "TTL": f"{ttl_s or options.session_ttl_s}s",
            "LockDelay": f"{options.lock_delay_s:g}s",
            "Behavior": behaviour,
        }
        if not options.serf_check:
            body |= {"Checks": [], "NodeChecks": []}
        answer = await self.call("PUT", "/v1/session/create", body, deadline=deadline)
        number = str(answer.body["ID"])
        return self.reply(number, None, number)

    async def renew_session(self, session: str) -> Reply:
        """Renew; `Refused("not-found")` where it is gone."""
        await self.call("PUT", f"/v1/session/renew/{session}")
        return self.reply(None, None, session)

    async def destroy_session(self, session: str) -> Reply:
        """End it, and release what it holds; ending one that is gone does nothing."""
        await self.call("PUT", f"/v1/session/destroy/{session}")
        return self.reply(None, None, session)

    async def find_session(self, session: str) -> Reply:
        """The value is what Consul knows of it (read consistently), None where it is gone."""
        answer = await self.look(f"/v1/session/info/{session}", query="consistent")
        return self.reply(answer.body[0] if answer.body else None, None, session)

    async def own_session(self, deadline: float) -> str:
        """The client's own session, created on first use and again after it was lost."""
        if self._session is None:
            try:
                reply = await self.create_session(deadline=deadline)
            except OutcomeError as error:
                # A session that holds nothing shows in no history: not having one is all that counts.
                raise Refused("no-session", str(error)) from error
            self._session = str(reply.value)
            await self._stop_keeper()
            self._keeper = asyncio.create_task(self._keep(self._session), name=f"session {self._session}")
        return self._session

    def session_lost(self) -> None:
        """Take note that the session is gone: the next lock gets another one."""
        self._session = None

    async def close(self) -> None:
        """End the renewals, try once to end the session, close the connections; never raises."""
        await self._stop_keeper()
        if self._session is not None:
            loop = asyncio.get_running_loop()
            with contextlib.suppress(Exception):
                path = f"/v1/session/destroy/{self._session}"
                await self.call("PUT", path, deadline=loop.time() + min(self.timeout_s, 0.5))
        await super().close()

    async def _stop_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
            self._keeper = None

    async def _keep(self, session: str) -> None:
        """Renew until the session is gone; an attempt that fails is made again next time."""
        while self._session == session:
            await asyncio.sleep(self.options.session_ttl_s / _RENEWALS)
            try:
                await self.renew_session(session)
            except Refused as error:
                if error.code == "not-found" and self._session == session:
                    self._session = None
            except OutcomeError:
                continue
