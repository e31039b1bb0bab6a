"""What every capability of the etcd client stands on: members, the deadline of one operation, and calls."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from quorate.harness.core.outcome import OutcomeError, Refused, Reply, Unknown
from quorate.harness.systems.etcd.client.connection import Connection
from quorate.harness.systems.etcd.client.outcomes import TABLE
from quorate.harness.systems.values import Sizes, encode

MOVES_ON = frozenset(row.code for row in TABLE if row.elsewhere)


class ClientOptions(msgspec.Struct, frozen=True):
    """How a client asks: read mode, time to live of its leases in seconds, the recipe of its locks, sizes of values."""

    serializable: bool = False
    lease_ttl_s: int = 10
    lock_service: bool = False
    sizes: Sizes = Sizes()


class Caller:
    """One logical client over one or several members, one operation at a time.

    With several members it talks to one and moves on to the next after an error that says another may do better; a
    request is never sent twice. `name` is unique among the clients of a run (recipes make unique keys of it).
    """

    def __init__(
        self,
        name: str,
        connections: Sequence[Connection],
        timeout_s: float,
        options: ClientOptions,
        first: int = 0,
    ) -> None:
        self.name = name
        self.options = options
        self.timeout_s = timeout_s
        self._connections = list(connections)
        self._at = first % len(self._connections)

    @property
    def member(self) -> str:
        """The node that the next call goes to."""
        return self._connections[self._at].member

    def connection(self) -> Connection:
        """The connection that the next call goes over."""
        return self._connections[self._at]

    def deadline(self) -> float:
        """When an operation that begins now must have ended, on the loop's clock."""
        return asyncio.get_running_loop().time() + self.timeout_s

    async def call(self, method: str, request: Any, deadline: float | None = None) -> Any:
        """Make one call to the current member; an operation of several calls hands its deadline to each."""
        connection = self._connections[self._at]
        try:
            return await connection.call(method, request, self.deadline() if deadline is None else deadline)
        except OutcomeError as error:
            if error.code in MOVES_ON:
                self._at = (self._at + 1) % len(self._connections)
            raise

    async def look(self, method: str, request: Any, deadline: float) -> Any:
        """Make the reading call that an operation begins with, before it has sent anything that writes.

        When its answer is lost, nothing of the operation can ever happen: `Refused("unread")`, not `Unknown`.
        """
        try:
            return await self.call(method, request, deadline)
        except Unknown as error:
            raise Refused("unread", f"the reads before the write were lost: {error}") from error

    def reply(self, response: Any, value: Any = None) -> Reply:
        """The reply of an operation: its version is the store's revision as this answer saw it."""
        return Reply(value, response.header.revision, self.member)

    def stored(self, value: Any, parts: int = 1) -> bytes:
        """A value of the workload as it is stored, as long as was asked for; `parts` values share a request."""
        return self.options.sizes.padded(encode(value), parts)

    async def close(self) -> None:
        """Close every connection; never raises."""
        await asyncio.gather(*(connection.close() for connection in self._connections))


def decode(stored: bytes) -> Any:
    """The value that was stored."""
    return msgspec.json.decode(stored)


def path(kind: str, key: str) -> bytes:
    """Where a capability keeps a key; each has its own prefix, so workloads can run side by side."""
    return f"/{kind}/{key}".encode()


def prefix_end(prefix: bytes) -> bytes:
    """The end of the range of all keys that begin with the prefix (which does not end in 0xff)."""
    return prefix[:-1] + bytes([prefix[-1] + 1])
