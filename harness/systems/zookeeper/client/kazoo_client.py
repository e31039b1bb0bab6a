"""Locks, queues, counters and elections through kazoo's own recipes, as applications run them (`recipes=kazoo`).

docs/systems/zookeeper.md says what each promises, and what it does when a session is lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from kazoo.exceptions import NoNodeError
from kazoo.recipe.counter import Counter
from kazoo.recipe.election import Election
from kazoo.recipe.lock import Lock
from kazoo.recipe.queue import Queue

from quorate.harness.core.outcome import ANSWERED, UNASKED, Refused, Reply, Unknown
from quorate.harness.systems.values import encode
from quorate.harness.systems.zookeeper.client.caller import decode
from quorate.harness.systems.zookeeper.client.kazoo_session import PATIENCE, KazooSession

R = TypeVar("R")
_KEPT_MOST: Final = 1000
_DIGITS: Final = 10  # of a sequence number


class Kept(dict[str, R]):
    """A recipe's object for each key, made when first asked for; the oldest are forgotten."""

    def __init__(self, make: Callable[[str], R]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: str) -> R:
        """Make the recipe of a key; beyond a thousand the oldest goes."""
        while len(self) >= _KEPT_MOST:
            del self[next(iter(self))]
        made = self[key] = self._make(key)
        return made


class KazooRecipes(KazooSession):
    """Offers `Locks`, `Queues`, `Counters` and elections; everything else is the own client's (`recipes=own`)."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._queues: Kept[Queue] = Kept(lambda key: self.kazoo.Queue(self.path("kazoo-queue", key)))
        self._counters: Kept[Counter] = Kept(lambda key: self.kazoo.Counter(self.path("kazoo-counter", key)))
        self._locks: Kept[Lock] = Kept(lambda key: self.kazoo.Lock(self.path("kazoo-lock", key), self.name))
        self._held: dict[str, tuple[Lock, int]] = {}
        self._terms: dict[str, Term] = {}

    async def enqueue(self, key: str, value: object) -> Reply:
        """Put at the tail."""
        await self.operation("enqueue", lambda: self._queues[key].put(encode(value)))
        return self.reply()

    async def dequeue(self, key: str) -> Reply:
        """Take the head; None where the queue was seen empty."""

        def take() -> bytes | None:
            self.fresh(self.path("kazoo-queue", key))
            found: bytes | None = self._queues[key].get()
            return found

        return self.reply(decode(await self.operation("dequeue", take)))

    async def increment(self, key: str, amount: int) -> Reply:
        """Add; kazoo sets under the version that it read, and tries again where another was faster."""
        await self.operation("increment", lambda: self._counters[key] + amount)
        return self.reply()

    async def value(self, key: str) -> Reply:
        """Read the sum."""

        def read() -> int:
            self.fresh(self.path("kazoo-counter", key))
            return int(self._counters[key].value)

        return self.reply(await self.operation("value", read, reads=True))

    async def acquire(self, key: str) -> Reply:
        """Wait in the lock's queue, not quite until the deadline; the token is the place in the queue."""
        losses, troubles = self.losses, self.troubles
        lock = self._locks[key]
        got = await self.operation("acquire", lambda: lock.acquire(timeout=self.timeout_s * PATIENCE))
        if not got:
            # kazoo gave up and took its node out of the queue, if it could.
            if self.troubles != troubles:
                raise Unknown("timeout", "acquire: its place in the queue may be kept")
            raise Refused("held", "not in time", answer=ANSWERED)
        self._held[key] = (lock, losses)
        # kazoo said yes: without a node's name the token is unknown, but the lock is held.
        return self.reply(None if lock.node is None else int(lock.node[-_DIGITS:]))

    async def release(self, key: str) -> Reply:
        """Leave; `Refused("not-held")` where kazoo has reported that the session, and the lock with it, was lost."""
        lock, losses = self._held.get(key, (None, -1))
        if lock is None or losses != self.losses:
            self._forget(key)
            raise Refused(
                "not-held", "never acquired" if lock is None else "the session was lost", answer=UNASKED
            )
        released = await self.operation("release", lock.release)  # refused, it is held still
        self._held.pop(key)
        if not released:
            raise Refused("not-held", "kazoo holds no such lock", answer=UNASKED)
        return self.reply()

    async def campaign(self, key: str, value: Any) -> Reply:
        """Stand for election, and wait for the term to begin; the value is its token."""
        if key in self._terms:
            raise Refused("invalid", "this client stands already", answer=UNASKED)
        term = Term(self.kazoo.Election(self.path("kazoo-election", key), encode(value).decode()))
        token = await self.operation("campaign", lambda: term.begin(self.timeout_s * PATIENCE))
        if token is None:
            raise Unknown("timeout", "campaign: not elected in time, and the candidacy may be kept")
        term.losses = self.losses
        self._terms[key] = term
        return self.reply(token)

    async def proclaim(self, key: str, value: Any) -> Reply:
        """Say something else as the leader: set the candidate's node. The value is the token."""
        term = self._term(key)

        def tell() -> None:
            try:
                self.kazoo.set(term.node, encode(value))
            except NoNodeError as error:
                raise Refused("not-elected", "the candidate's node is gone", answer=ANSWERED) from error

        await self.operation("proclaim", tell)
        return self.reply(term.token)

    async def leader(self, key: str) -> Reply:
        """Who is first among the contenders: [what it says, its token]."""
        node = self.path("kazoo-election", key)

        def look() -> list[Any]:
            self.fresh(node)
            try:
                names = self.kazoo.get_children(node)
                first = min(names, key=lambda name: name[-_DIGITS:], default=None)
                if first is not None:
                    return [decode(self.kazoo.get(f"{node}/{first}")[0]), int(first[-_DIGITS:])]
            except NoNodeError:
                pass
            raise Refused("nobody-elected", "no contender is there", answer=ANSWERED)

        return self.reply(await self.operation("leader", look, reads=True))

    async def resign(self, key: str) -> Reply:
        """Let the leadership function return."""
        term = self._term(key)
        over = await self.operation("resign", lambda: term.end(self.timeout_s * PATIENCE))
        del self._terms[key]  # refused, it continues
        if not over:
            raise Unknown("timeout", "resign: not over in time")
        return self.reply()

    async def close(self) -> None:
        """End every term, and the session."""
        for term in self._terms.values():
            term.abandon()
        await super().close()

    def _forget(self, key: str) -> None:
        self._held.pop(key, None)
        self._locks.pop(key, None)

    def _term(self, key: str) -> Term:
        term = self._terms.get(key)
        if term is None or term.losses != self.losses:
            self._terms.pop(key, None)
            raise Refused(
                "not-elected", "this client was not elected, or its session was lost", answer=UNASKED
            )
        return term


class Term:
    """One candidacy: kazoo runs a leadership function, in a thread, from the election on until it returns."""

    def __init__(self, election: Election) -> None:
        self._election = election
        self._elected = threading.Event()
        self._resigned = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kazoo election", daemon=True)
        self._error: Exception | None = None
        self.node = ""
        self.token = 0
        self.losses = 0

    def begin(self, seconds: float) -> int | None:
        """Wait to be elected and return the token; None, and as far as known no longer a candidate, if late."""
        end = time.monotonic() + seconds
        self._thread.start()
        while not self._elected.wait(0.01) and not self._over.is_set():
            if time.monotonic() >= end:
                self.abandon()
                return None
        if self._error is not None:
            raise self._error
        return self.token

    def abandon(self) -> None:
        """End it without waiting for that."""
        self._resigned.set()
        self._election.cancel()

    def end(self, seconds: float) -> bool:
        """Resign; whether that was done in time."""
        self._resigned.set()
        over = self._over.wait(seconds)
        if self._error is not None:
            raise self._error
        return over

    def _run(self) -> None:
        try:
            self._election.run(self._lead)
        except Exception as error:  # noqa: BLE001 - reported by begin or end
            self._error = error
        finally:
            self._over.set()

    def _lead(self) -> None:
        lock = self._election.lock
        self.node, self.token = f"{lock.path}/{lock.node}", int(lock.node[-_DIGITS:])
        self._elected.set()
        self._resigned.wait()
