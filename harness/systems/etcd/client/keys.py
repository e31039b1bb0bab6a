"""etcd's own store, for workloads that are about etcd: ranges, revisions, leases on keys, compaction, transactions.

Keys here are literal; the other capabilities keep theirs under prefixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from quorate.harness.core.outcome import Reply
from quorate.harness.systems.etcd.client.caller import Caller, prefix_end
from quorate.harness.systems.etcd.protocol import pb


class Entry(msgspec.Struct, frozen=True):
    """A key as etcd stores it."""

    key: str
    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    lease: int


class KeysOfEtcd(Caller):
    """Every operation of etcd's KV service; `Reply.version` is the header's revision."""

    async def range(
        self, key: str, *, prefix: bool = False, revision: int = 0, limit: int = 0, keys_only: bool = False
    ) -> Reply:
        """The value is {"entries": […], "count": all that match, "more": whether the limit cut}.

        `revision` reads the past (0: now): `Refused("compacted")` or `Refused("future-revision")` where there is none.
        """
        request = self._range(key, prefix=prefix, revision=revision)
        request.limit, request.keys_only = limit, keys_only
        response = await self.call("Range", request)
        found = {"entries": entries(response.kvs), "count": response.count, "more": response.more}
        return self.reply(response, found)

    async def put(self, key: str, value: bytes, *, lease: int = 0) -> Reply:
        """Put a key, under a lease if one is given; the value is None."""
        return self.reply(await self.call("Put", pb.PutRequest(key=key.encode(), value=value, lease=lease)))

    async def delete(self, key: str, *, prefix: bool = False) -> Reply:
        """Delete; the value is how many keys there were."""
        where = key.encode()
        request = pb.DeleteRangeRequest(key=where, range_end=prefix_end(where) if prefix else b"")
        response = await self.call("DeleteRange", request)
        return self.reply(response, response.deleted)

    async def compact(self, revision: int, *, physical: bool = False) -> Reply:
        """Drop history before the revision."""
        return self.reply(
            await self.call("Compact", pb.CompactionRequest(revision=revision, physical=physical))
        )

    async def txn(
        self, compare: Sequence[Any] = (), success: Sequence[Any] = (), failure: Sequence[Any] = ()
    ) -> Reply:
        """One transaction of `protocol.pb` messages (`Compare`, and requests of Range, Put, DeleteRange).

        The value is {"succeeded": bool, "responses": the responses of the branch that ran}.
        """
        request = pb.TxnRequest(
            compare=compare,
            success=[_operation(each) for each in success],
            failure=[_operation(each) for each in failure],
        )
        response = await self.call("Txn", request)
        responses = [getattr(each, each.WhichOneof("response")) for each in response.responses]
        return self.reply(response, {"succeeded": response.succeeded, "responses": responses})

    def _range(self, key: str, *, prefix: bool, revision: int) -> Any:
        where = key.encode()
        return pb.RangeRequest(
            key=where,
            range_end=prefix_end(where) if prefix else b"",
            revision=revision,
            serializable=self.options.serializable,
        )


def entries(kvs: Sequence[Any]) -> list[Entry]:
    """The keys of a reply as records."""
    return [
        Entry(
            kv.key.decode(errors="backslashreplace"),
            kv.value,
            kv.create_revision,
            kv.mod_revision,
            kv.version,
            kv.lease,
        )
        for kv in kvs
    ]


def _operation(request: Any) -> Any:
    name = {
        "RangeRequest": "request_range",
        "PutRequest": "request_put",
        "DeleteRangeRequest": "request_delete_range",
    }
    return pb.RequestOp(**{name[type(request).__name__]: request})
