"""Capabilities: the small client interfaces that a system offers and workloads ask for.

A workload never names a system; a system implements some of these protocols on its `Client`. Every method either
returns a `Reply` or raises `Refused`, `Unknown` or `Broken` (see `outcome`), within the client's deadline.
Keys are strings; values are any JSON value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from quorate.harness.core.outcome import Reply


@runtime_checkable
class Client(Protocol):
    """One logical client: one operation at a time, its own connection(s), no retries by itself."""

    async def close(self) -> None:
        """Release the connection; never raises and never blocks for more than a second."""
        ...


@runtime_checkable
class Registers(Protocol):
    """Independent registers by key."""

    async def read(self, key: str) -> Reply:
        """Return the current value, or None where the key was never written."""
        ...

    async def write(self, key: str, value: Any) -> Reply:
        """Set the key to the value."""
        ...

    async def cas(self, key: str, old: Any, new: Any) -> Reply:
        """Set the key to `new` if it holds `old`; else raise `Refused("mismatch", seen=…)`."""
        ...


@runtime_checkable
class Sets(Protocol):
    """A set of unique elements per key."""

    async def add(self, key: str, element: int) -> Reply:
        """Add one element."""
        ...

    async def members(self, key: str) -> Reply:
        """Return all elements as a sorted list."""
        ...


@runtime_checkable
class Transactions(Protocol):
    """Atomic transactions of micro-operations over keys."""

    async def transact(self, micro: Sequence[Sequence[Any]]) -> Reply:
        """Run `["r", k, null]`, `["append", k, v]` and `["w", k, v]` atomically.

        `Reply.value` is the same list with the reads filled in (a list for append workloads, a value for rw).
        """
        ...


@runtime_checkable
class Queues(Protocol):
    """A queue per key."""

    async def enqueue(self, key: str, value: Any) -> Reply:
        """Put a value at the tail."""
        ...

    async def dequeue(self, key: str) -> Reply:
        """Take the head; `Reply.value` is None where the queue was certainly empty."""
        ...


@runtime_checkable
class Locks(Protocol):
    """A lock per key, as users of the service run it (a lease or session behind it)."""

    async def acquire(self, key: str) -> Reply:
        """Take the lock or raise `Refused("held")`; `Reply.value` is the fencing token where there is one."""
        ...

    async def release(self, key: str) -> Reply:
        """Give it back."""
        ...


@runtime_checkable
class Counters(Protocol):
    """A counter per key."""

    async def increment(self, key: str, amount: int) -> Reply:
        """Add the amount (not `add`: one client offers sets and counters)."""
        ...

    async def value(self, key: str) -> Reply:
        """Return the current sum."""
        ...


@runtime_checkable
class Revisions(Protocol):
    """Keys under one revision that counts the service's writes; the past can be read until it is forgotten.

    Every `Reply.version` is the revision of the whole service as the answer saw it; a change's own revision is unique.
    """

    async def current(self, space: str, name: str) -> Reply:
        """Return the value now, as current as the service promises, or None where there is none."""
        ...

    async def change(
        self,
        space: str,
        changes: Mapping[str, Any],
        past: int | None = None,
        compare_all: bool = False,  # noqa: FBT001, FBT002 - a flag of the request
    ) -> Reply:
        """Set every name to its value (None deletes it) in one transaction; the value lists what really changed.

        With `past` the transaction also reads the first name as of that revision: `Refused("compacted")`, and nothing
        written, where that is forgotten. With `compare_all` it first compares every key of the space, which costs time
        and always holds.
        """
        ...

    async def forget(self, space: str, revision: int) -> Reply:
        """Drop what was overwritten or deleted before the revision (compaction); it holds for all spaces."""
        ...


@runtime_checkable
class Watches(Protocol):
    """Changes in order of revision, as the service pushes them."""

    async def follow(
        self,
        space: str,
        start: int | None,
        seconds: float,
        progress: bool = False,  # noqa: FBT001, FBT002 - a flag of the request
    ) -> Reply:
        """Watch the space from revision `start` on for so long; `Refused("compacted")` where that is forgotten.

        With `start` None the client's standing watch is read, which stays open between calls; it begins at revision 1,
        after a failure behind what it had shown, after compaction at what is left. With `progress` the service is
        asked at once, and again and again, how far the watch has come. The value is {"from": where the watch began,
        "messages": as they came, `[revision, [[name, value or None, revision, value before or None], …]]`}, the last
        only where one was given; a message without changes says that all up to its revision has been sent.
        """
        ...


@runtime_checkable
class Names(Protocol):
    """Names in a space, each with a value while it is there; what `Notices` and `Polls` watch."""

    async def set_name(self, space: str, name: str, value: Any) -> Reply:
        """Give the name this value, or take it away (None); the version is that of the change.

        The value is what happened, "created", "changed" or "deleted", or None where the service does not say.
        Taking away what is not there is `Refused`, or a change of nothing that the service does not report either.
        """
        ...


@runtime_checkable
class Notices(Protocol):
    """Watchers learn that a name changed, not what it is now: that they read, on the same connection."""

    async def heed(
        self,
        space: str,
        names: Sequence[str],
        seconds: float,
        once: bool,  # noqa: FBT001 - a kind of watch
    ) -> Reply:
        """Listen for so long, read each name that a notice named, and read one name at the end.

        The watch persists between calls, until one fails: a persistent watch that sees every change of the space; with
        `once`, or where the service has no other, every name has a separate watch that is over with its first
        notice and set again by the read that follows.

        The value is {"watch": which of this client's watches, "once", "items": in the order of the connection}:
        `["set", at]`, the persistent watch stands; `["told", "created" | "changed" | "deleted", name, version of the
        change or None]`; `["read", name, value (None: none, or not read), version of its last change (0: it is not
        there), at, whether the read set a watch]`. `at` is the state of the whole service that an answer was given in.
        """
        ...


@runtime_checkable
class Polls(Protocol):
    """Long polls: a query that waits until what it asks for has another index than the one known."""

    async def poll(self, space: str, name: str | None, wait_s: float, seconds: float) -> Reply:
        """Give a standing poll of one name, or of all names of the space (None), so long to answer.

        One query is always under way, and waits up to `wait_s` by itself; when it has answered, the next one asks
        with the index that it returned (0, at once, where that is lower than the one asked with). It stays between
        calls for the same, until one fails.

        The value is {"watch": which of this client's watches, "mode": how it reads, "answers": [{"asked": the index
        asked with, "index": as returned, "entries": {name: [value, version]}, "calls": in which call it was asked,
        counted back from this one, "after_us": how long after that one's begin at least, "before_us": how long before
        this one's end it came, at most}, …]}.
        """
        ...


@runtime_checkable
class Catalogs(Protocol):
    """Services that others find: what is entered in the service's own catalogue, by whoever runs them."""

    async def enlist(self, space: str, service: str, value: Any) -> Reply:
        """Enter the service with this value to be found by, or take it out (None)."""
        ...

    async def find(self, space: str, service: str, healthy: bool) -> Reply:  # noqa: FBT001 - which index is asked
        """Return the value that the service is found with, None where there is none.

        `healthy` asks the index of healthy services, which must be the same for a service without checks.
        """
        ...


@runtime_checkable
class Agents(Protocol):
    """Services that are registered with the agent of one server, which updates the catalogue by and by."""

    async def announce(self, space: str, service: str, value: Any) -> Reply:
        """Register the service with the agent of the server that this client talks to, or deregister it (None)."""
        ...

    async def compare(self, space: str) -> Reply:
        """Return what that agent has and what the catalogue has of it: {"agent": {service: value}, "catalog": …}."""
        ...


@runtime_checkable
class Objects(Protocol):
    """Objects by name in a space, changed only by who knows their latest revision: what Kubernetes keeps in etcd.

    The space is the one that `Watches` follow.
    """

    async def replace(self, space: str, name: str, value: Any, known: int) -> Reply:
        """Set the object to the value if `known` is the revision of its last change (0: it is not there).

        None deletes it, which needs `known` above 0. The value of the reply is [value, known], its version the
        revision of the change. Else `Refused("conflict", seen=[value, revision of its last change], version=revision
        of the answer)`, where an object that is not there is [None, 0].
        """
        ...

    async def listing(self, space: str, revision: int | None, page: int) -> Reply:
        """List all objects as of one revision, `page` at a time (0: all at once); nothing less counts as an answer.

        `revision` None is now; one that is forgotten is `Refused("compacted")`. The value is {"at": the revision of
        the list, "objects": [[name, value, revision of its last change], …] by name}; the version is the service's
        revision when it answered, at the first page.
        """
        ...


def together(name: str, beside: int) -> list[str]:
    """Return the names of the keys of one lease: its own, and so many beside it."""
    return [name, *(f"{name}+{number}" for number in range(1, beside + 1))]


@runtime_checkable
class Leases(Protocol):
    """Keys that live only while somebody keeps them alive: under a lease, a session, as an ephemeral node."""

    async def grant_key(self, space: str, name: str, ttl_s: float, beside: int = 0) -> Reply:
        """Make the key, with its own lease of `ttl_s`, or the least above it that the service takes.

        In the same step so many keys are made `beside` it, under the same lease: NAME+1, NAME+2, …
        The value is {"lease": what any client renews or revokes it by, "ttl_ms": as agreed}, and what the service
        documents of its precision: "sooner_ms" it may end before its time, "later_ms" after it, and "relay_ms",
        the age up to which an acknowledged renewal may not yet be known to whoever ends leases.
        """
        ...

    async def renew_key(self, space: str, name: str, lease: Any) -> Reply:
        """Keep it alive; `Refused("lease-gone")` where the service says that the lease has ended."""
        ...

    async def revoke_key(self, space: str, name: str, lease: Any) -> Reply:
        """End the lease, and its key with it; `Refused("lease-gone")` where there is none any more."""
        ...

    async def granted_keys(self, space: str) -> Reply:
        """Return which keys are there, as current as the service promises: {"names": sorted, "term": …}.

        The term is of the leader as far as the server asked knows (None: it does not say); the version is that of
        the state that was read.
        """
        ...


@runtime_checkable
class Elections(Protocol):
    """One leader per key at a time. Every term has a token; a later term has a higher one."""

    async def campaign(self, key: str, value: Any) -> Reply:
        """Wait, up to the deadline, to be elected; `Reply.value` is the token. `Refused` where it was certainly not."""
        ...

    async def proclaim(self, key: str, value: Any) -> Reply:
        """Say something as the leader; the value is the token. `Refused("not-elected")` where it leads no more."""
        ...

    async def leader(self, key: str) -> Reply:
        """Return [what the leader says, its token]; `Refused("nobody-elected")` where there is no leader."""
        ...

    async def resign(self, key: str) -> Reply:
        """Give the leadership up."""
        ...


@runtime_checkable
class Sequences(Protocol):
    """Numbers that the service hands out, each once, later ones higher."""

    async def next_id(self, key: str) -> Reply:
        """Return a number that no other call was or will be given for this key."""
        ...
