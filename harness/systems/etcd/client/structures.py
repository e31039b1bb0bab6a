"""Sets, queues and counters, each the way users build them on keys and transactions.

A loop that tries again does so only after etcd has said that the last attempt certainly did nothing, and at most
`_ATTEMPTS` times; an attempt whose fate is unknown ends the operation as unknown.
"""

from __future__ import annotations

from typing import Any, Final

from quorate.harness.core.outcome import ANSWERED, Refused, Reply
from quorate.harness.systems.etcd.client.caller import Caller, decode, path, prefix_end
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.values import encode

_ATTEMPTS: Final = 8
_EQUAL: Final = pb.Compare.EQUAL
_MOD: Final = pb.Compare.MOD


class SetsOfEtcd(Caller):
    """One key for each element under the set's prefix; all elements by one range."""

    async def add(self, key: str, element: int) -> Reply:
        """Put the element's key."""
        where = path("set", f"{key}/{element}")
        return self.reply(await self.call("Put", pb.PutRequest(key=where, value=encode(element))))

    async def members(self, key: str) -> Reply:
        """Range over the prefix, in the read mode of the client."""
        prefix = path("set", f"{key}/")
        request = pb.RangeRequest(
            key=prefix, range_end=prefix_end(prefix), serializable=self.options.serializable
        )
        response = await self.call("Range", request)
        return self.reply(response, sorted(decode(kv.value) for kv in response.kvs))


class QueuesOfEtcd(Caller):
    """A key for each value, taken in the order of creation (as the queue of etcd's `contrib/recipes`)."""

    _sent = 0

    async def enqueue(self, key: str, value: Any) -> Reply:
        """Create a key that no other enqueue uses; its place in the queue is its create revision."""
        self._sent += 1
        where = path("queue", f"{key}/{self.name}-{self._sent}")
        return self.reply(await self.call("Put", pb.PutRequest(key=where, value=self.stored(value))))

    async def dequeue(self, key: str) -> Reply:
        """Find the oldest key and delete it if it is still there; on losing the race, find the next."""
        deadline = self.deadline()
        prefix = path("queue", f"{key}/")
        oldest = pb.RangeRequest(
            key=prefix,
            range_end=prefix_end(prefix),
            limit=1,
            sort_target=pb.RangeRequest.CREATE,
            sort_order=pb.RangeRequest.ASCEND,
        )
        for _ in range(_ATTEMPTS):
            found = await self.look("Range", oldest, deadline)
            if not found.kvs:
                return self.reply(found)
            head = found.kvs[0]
            take = pb.TxnRequest(
                compare=[
                    pb.Compare(key=head.key, target=_MOD, result=_EQUAL, mod_revision=head.mod_revision)
                ],
                success=[pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=head.key))],
            )
            taken = await self.call("Txn", take, deadline)
            if taken.succeeded:
                return self.reply(taken, decode(head.value))
        raise Refused("conflict", f"lost {_ATTEMPTS} races for the head", answer=ANSWERED)


class CountersOfEtcd(Caller):
    """One key that holds the sum; adding is compare-and-set."""

    async def increment(self, key: str, amount: int) -> Reply:
        """Read and put the new sum if the key has not changed in between, else again."""
        deadline = self.deadline()
        where = path("counter", key)
        for _ in range(_ATTEMPTS):
            found = await self.look("Range", pb.RangeRequest(key=where), deadline)
            total = decode(found.kvs[0].value) if found.kvs else 0
            revision = found.kvs[0].mod_revision if found.kvs else 0
            change = pb.TxnRequest(
                compare=[pb.Compare(key=where, target=_MOD, result=_EQUAL, mod_revision=revision)],
                success=[
                    pb.RequestOp(request_put=pb.PutRequest(key=where, value=self.stored(total + amount)))
                ],
            )
            changed = await self.call("Txn", change, deadline)
            if changed.succeeded:
                return self.reply(changed)
        raise Refused("conflict", f"lost {_ATTEMPTS} races for the counter", answer=ANSWERED)

    async def value(self, key: str) -> Reply:
        """Return the sum, in the read mode of the client."""
        request = pb.RangeRequest(key=path("counter", key), serializable=self.options.serializable)
        response = await self.call("Range", request)
        return self.reply(response, decode(response.kvs[0].value) if response.kvs else 0)
