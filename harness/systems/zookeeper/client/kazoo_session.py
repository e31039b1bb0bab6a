"""A session of kazoo's own client, as applications hold one: what its recipes stand on.

kazoo reconnects by itself, with the same session while that lives, else with a new one. It reports that by
states: SUSPENDED (the connection is gone; the session's fate is unknown) and LOST (the session is over, and with it
every lock). By default it also repeats what failed, without end, whether or not the first try took effect; here that is
off unless asked for, for an outcome must be one try's.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar

from kazoo.client import KazooClient
from kazoo.exceptions import (
    ConnectionClosedError,
    ConnectionLoss,
    KazooException,
    LockTimeout,
    OperationTimeoutError,
    QuotaExceededError,
)
from kazoo.exceptions import SessionExpiredError as Expired
from kazoo.protocol.states import KazooState
from kazoo.retry import ForceRetryError, KazooRetry, RetryFailedError

from quorate.harness.core.outcome import OutcomeError, Refused, Reply, Unknown
from quorate.harness.systems.zookeeper.client import outcomes
from quorate.harness.systems.zookeeper.client.access import located
from quorate.harness.systems.zookeeper.client.caller import ClientOptions
from quorate.harness.systems.zookeeper.client.threads import Worker

T = TypeVar("T")
Recipes = Literal["own", "kazoo", "kazoo-retrying"]
PATIENCE: Final = 0.8  # of a deadline is what a recipe may wait: its answer must still come in time
_CLOSE_S: Final = 0.5


class KazooSession:
    """One logical client, one operation at a time, each in the client's own thread.

    `losses` counts how often the session was lost, `troubles` how often the connection was.
    """

    def __init__(
        self,
        name: str,
        addresses: Mapping[str, str],
        timeout_s: float,
        options: ClientOptions,
        *,
        retrying: bool = False,
    ) -> None:
        self.name = name
        self.options = options
        self.timeout_s = timeout_s
        self.losses = 0
        self.troubles = 0
        self._member = next(iter(addresses)) if len(addresses) == 1 else None
        self._worker = Worker(f"kazoo {name}")
        self._alive: threading.Event | None = None
        contention = KazooRetry(max_tries=-1, delay=0.005, max_delay=0.1, deadline=timeout_s * PATIENCE)
        contention.retry_exceptions = (ForceRetryError,)
        self.kazoo = KazooClient(
            hosts=",".join("{}:{}".format(*located(address)) for address in addresses.values()),
            **options.access.kazoo(),
            timeout=options.session_ms / 1000,
            randomize_hosts=False,
            connection_retry=KazooRetry(max_tries=-1, delay=0.05, max_delay=0.5),
            command_retry=None if retrying else contention,
        )
        self.kazoo.add_listener(self._changed)

    async def operation(self, what: str, call: Callable[[], T], *, reads: bool = False) -> T:
        """Run a recipe under the client's deadline; what only `reads` is `Refused` however it fails."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.timeout_s
        troubles = self.troubles
        decided = threading.Lock()  # taken once: by who begins the recipe, or by who gives up on it before

        def connected() -> T:
            self._connect(end - loop.time())
            if not decided.acquire(blocking=False):
                raise outcomes.not_connected("too late")
            return call()

        try:
            return await self._worker.run(connected, end)
        except TimeoutError:
            if decided.acquire(blocking=False):
                raise outcomes.not_connected("no session in time") from None
            raise (outcomes.unread if reads else _timeout)(what, "no reply in time") from None
        except OutcomeError:
            raise
        except Exception as error:
            found = outcome_of(error, what, reads=reads)
            if isinstance(found, Refused) and not reads and self.troubles != troubles:
                # A recipe that repeats itself reports only its last try; an earlier one may have taken effect.
                raise outcomes.lost(what, f"{found.text}, after the connection was lost") from error
            raise found from error

    def _connect(self, seconds: float) -> None:
        """Wait for the session. Nothing of the operation has been sent before it stands."""
        if self._alive is None:
            self._alive = self.kazoo.start_async()
        if not self._alive.wait(max(0.0, min(seconds, self.timeout_s * PATIENCE))):
            raise outcomes.not_connected("kazoo has no connection")

    def path(self, kind: str, key: str) -> str:
        """Return where a capability keeps a key."""
        return self.options.access.path(kind, key)

    def fresh(self, path: str) -> None:
        """Sync, where the read mode asks for it."""
        if self.options.reads == "sync":
            self.kazoo.sync(path)

    def reply(self, value: Any = None) -> Reply:
        """Make the reply of an operation. Recipes report no versions."""
        known = self.kazoo.client_id
        return Reply(value, None, self._member, f"0x{known[0] & (1 << 64) - 1:x}" if known else None)

    async def close(self) -> None:
        """End the session in a separate thread: kazoo waits for its threads, and longer if a server is silent."""
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def stop() -> None:
            with contextlib.suppress(Exception):
                self.kazoo.stop()
                self.kazoo.close()
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(over.set)

        threading.Thread(target=stop, name=f"kazoo {self.name} ends", daemon=True).start()
        self._worker.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), _CLOSE_S)

    def _changed(self, state: str) -> None:
        """Called by kazoo in its own thread."""
        if state == KazooState.LOST:
            self.losses += 1
        if state != KazooState.CONNECTED:
            self.troubles += 1


def outcome_of(error: Exception, what: str, *, reads: bool) -> Refused | Unknown:
    """What an error of kazoo means. It does not say whether the request was sent, so most of them leave it open."""
    said = f"{what}: {type(error).__name__}: {error}".rstrip(": ")
    cause = error.__context__ if isinstance(error, RetryFailedError) else error
    for kind, code in _CERTAIN:
        if isinstance(cause, kind):
            return Refused(code, said)
    if reads:
        return outcomes.unread(what, said)
    return Unknown(next((code for kind, code in _OPEN if isinstance(cause, kind)), "unknown-error"), said)


# A recipe forces a retry where another client was faster, before it has changed anything. A quota refuses a recipe's
# one change.
_CERTAIN: Final = ((ForceRetryError, "conflict"), (LockTimeout, "held"), (QuotaExceededError, "over-quota"))
_OPEN: Final = (
    (ConnectionLoss, "connection-lost"),
    (ConnectionClosedError, "closed"),  # before its base, the next
    (Expired, "session-expired"),
    (OperationTimeoutError, "server-timeout"),
    (KazooException, "kazoo-error"),
)


def _timeout(what: str, _why: str) -> Unknown:
    return outcomes.timeout(what)
