"""Registers: one etcd key each. Absent is None; writing None deletes.

`Reply.version` is the revision in the reply's header. For a write it is the write's own place in etcd's order of
writes; for a read, the last write that the answering member had applied. A linearizable read therefore never shows a
smaller version than an operation that had ended before it began, and the history replays in order of versions.
"""

from __future__ import annotations

from typing import Any

from quorate.harness.core.outcome import ANSWERED, Refused, Reply
from quorate.harness.systems.etcd.client.caller import Caller, decode, path
from quorate.harness.systems.etcd.protocol import pb

_EQUAL = pb.Compare.EQUAL
_VALUE = pb.Compare.VALUE
_CREATE = pb.Compare.CREATE


class RegistersOfEtcd(Caller):
    """Read by range (linearizable by default), write by put, compare-and-set by one transaction."""

    async def read(self, key: str) -> Reply:
        """Return the value as the member sees it, in the read mode of the client."""
        request = pb.RangeRequest(key=path("register", key), serializable=self.options.serializable)
        response = await self.call("Range", request)
        return self.reply(response, decode(response.kvs[0].value) if response.kvs else None)

    async def write(self, key: str, value: Any) -> Reply:
        """Put the value; None deletes the key."""
        where = path("register", key)
        if value is None:
            return self.reply(await self.call("DeleteRange", pb.DeleteRangeRequest(key=where)))
        return self.reply(await self.call("Put", pb.PutRequest(key=where, value=self.stored(value))))

    async def cas(self, key: str, old: Any, new: Any) -> Reply:
        """Compare the stored value and put in one transaction; the other branch returns what it saw."""
        where = path("register", key)
        if old is None:
            compare = pb.Compare(key=where, target=_CREATE, result=_EQUAL, create_revision=0)
        else:
            compare = pb.Compare(key=where, target=_VALUE, result=_EQUAL, value=self.stored(old))
        if new is None:
            change = pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=where))
        else:
            change = pb.RequestOp(request_put=pb.PutRequest(key=where, value=self.stored(new)))
        look = pb.RequestOp(request_range=pb.RangeRequest(key=where))
        response = await self.call("Txn", pb.TxnRequest(compare=[compare], success=[change], failure=[look]))
        if response.succeeded:
            return self.reply(response)
        found = response.responses[0].response_range.kvs
        raise Refused(
            "mismatch",
            seen=decode(found[0].value) if found else None,
            version=response.header.revision,
            answer=ANSWERED,
        )
