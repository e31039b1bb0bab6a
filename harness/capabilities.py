"""Capabilities: the small client interfaces that a system offers and workloads ask for.

A workload never names a system; a system implements some of these protocols on its `Client`. Every method either
returns a `Reply` or raises `Refused`, `Unknown` or `Broken` (see `harness.outcome`), within the client's deadline.
Keys are strings; values are any JSON value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from harness.outcome import Reply


@runtime_checkable
class Client(Protocol):
    """One logical client: one operation at a time, its own connection(s), no retries of its own."""

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
