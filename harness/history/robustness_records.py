"""The lines of a report of etcd's robustness tests, as `client-*/operations.json` and `client-*/watch.json` have them.

Go writes what it has: what is empty may be left out or null. Fields that nothing here reads are passed over.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import field


class Put(msgspec.Struct, frozen=True):
    """A put of one key; a long value is kept as its hash."""

    key: str = field(name="Key")
    value: Any = field(name="Value", default=None)
    lease: int | None = field(name="LeaseID", default=None)


class Delete(msgspec.Struct, frozen=True):
    """A deletion of one key."""

    key: str = field(name="Key")


class Change(msgspec.Struct, frozen=True):
    """One operation of a transaction; only puts and deletions change something."""

    type: str = field(name="Type")
    put_: Put | None = field(name="Put", default=None)
    delete_: Delete | None = field(name="Delete", default=None)

    @property
    def put(self) -> Put | None:
        """The put, if it is one."""
        return self.put_ if self.type == "put-operation" else None

    @property
    def delete(self) -> Delete | None:
        """The deletion, if it is one."""
        return self.delete_ if self.type == "delete-operation" else None


class Txn(msgspec.Struct, frozen=True):
    """A transaction: what it does where its condition holds, and where not."""

    success: list[Change] | None = field(name="OperationsOnSuccess", default=None)
    failure: list[Change] | None = field(name="OperationsOnFailure", default=None)

    def branch(self, *, failed: bool) -> list[Change]:
        """The operations of one outcome."""
        return (self.failure if failed else self.success) or []


class Range(msgspec.Struct, frozen=True):
    """A read of the keys from `start` to before `end`, or of one key."""

    start: str = field(name="Start")
    end: str | None = field(name="End", default=None)
    limit: int | None = field(name="Limit", default=None)
    revision: int | None = field(name="Revision", default=None)


class LeaseRevoke(msgspec.Struct, frozen=True):
    """The end of a lease, and of its keys."""

    lease: int = field(name="LeaseID")


class Request(msgspec.Struct, frozen=True):
    """What was asked; `type` says which of the others is meant."""

    type: str = field(name="Type")
    range: Range | None = field(name="Range", default=None)
    txn: Txn | None = field(name="Txn", default=None)
    revoke: LeaseRevoke | None = field(name="LeaseRevoke", default=None)


class KeyValue(msgspec.Struct, frozen=True):
    """A key as a read saw it."""

    key: str = field(name="Key")
    value: Any = field(name="Value", default=None)


class Seen(msgspec.Struct, frozen=True):
    """What a read saw."""

    keys: list[KeyValue] | None = field(name="KVs", default=None)


class Done(msgspec.Struct, frozen=True):
    """What a transaction did."""

    failure: bool | None = field(name="Failure", default=None)


class Output(msgspec.Struct, frozen=True):
    """What was answered; `persisted` where the outcome was taken from the write-ahead log."""

    error: Any = field(name="Error", default=None)
    client_error: Any = field(name="ClientError", default=None)
    persisted: bool | None = field(name="Persisted", default=None)
    revision: int | None = field(name="Revision", default=None)
    range: Seen | None = field(name="Range", default=None)
    txn: Done | None = field(name="Txn", default=None)


class Row(msgspec.Struct, frozen=True):
    """One request of one client, with the times in nanoseconds."""

    client: Any = field(name="ClientId")
    input: Request = field(name="Input")
    called: int = field(name="Call")
    output: Output = field(name="Output")
    returned: int = field(name="Return")


class WatchRequest(msgspec.Struct, frozen=True):
    """What a watch asked for."""

    key: str = field(name="Key")
    with_prefix: bool = field(name="WithPrefix")
    revision: int = field(name="Revision")


class WatchEvent(msgspec.Struct, frozen=True):
    """One change that a watch showed."""

    type: str = field(name="Type")
    key: str = field(name="Key")
    revision: int = field(name="Revision")
    value: Any = field(name="Value", default=None)


class Response(msgspec.Struct, frozen=True):
    """One message of a watch; `revision` is the member's."""

    error: Any = field(name="Error", default=None)
    events: list[WatchEvent] | None = field(name="Events", default=None)
    progress: bool | None = field(name="IsProgressNotify", default=None)
    revision: int | None = field(name="Revision", default=None)
    time: int | None = field(name="Time", default=None)


class Watched(msgspec.Struct, frozen=True):
    """One watch and what it was shown."""

    request: WatchRequest = field(name="Request")
    responses: list[Response] | None = field(name="Responses", default=None)
