"""Objects as Kubernetes keeps them in etcd: changes guarded by the latest revision, lists in pages at one revision.

The requests are those of Kubernetes' own client of etcd (`etcd/client/v3/kubernetes`): a transaction that compares the
modification revision and returns the object where it is another, and ranges with a limit.
"""

from __future__ import annotations

from typing import Any, Final

from quorate.harness.core.outcome import ANSWERED, Refused, Reply, Unknown
from quorate.harness.systems.etcd.client.caller import decode, prefix_end
from quorate.harness.systems.etcd.client.revisions import RevisionsOfEtcd, where
from quorate.harness.systems.etcd.protocol import pb

_PAGES_MAX: Final = 10_000


class ObjectsOfEtcd(RevisionsOfEtcd):
    """A space is the same prefix that changes and watches use."""

    async def replace(self, space: str, name: str, value: Any, known: int) -> Reply:
        """One transaction: compare, then put or delete; the other branch returns the object as it is."""
        key = where(space, name)
        compare = pb.Compare(key=key, target=pb.Compare.MOD, result=pb.Compare.EQUAL, mod_revision=known)
        if value is None:
            change = pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key))
        else:
            change = pb.RequestOp(request_put=pb.PutRequest(key=key, value=self.stored(value)))
        look = pb.RequestOp(request_range=pb.RangeRequest(key=key))
        response = await self.call("Txn", pb.TxnRequest(compare=[compare], success=[change], failure=[look]))
        if response.succeeded:
            return self.reply(response, [value, known])
        found = response.responses[0].response_range.kvs
        seen = [decode(found[0].value), found[0].mod_revision] if found else [None, 0]
        raise Refused(
            "conflict",
            f"its revision is not {known}",
            seen=seen,
            version=response.header.revision,
            answer=ANSWERED,
        )

    async def listing(self, space: str, revision: int | None, page: int) -> Reply:
        """Ranges with a limit, from the second on at the revision of the first; all under one deadline."""
        key, end, deadline = where(space, ""), prefix_end(where(space, "")), self.deadline()
        cut, objects, at, told = len(key), [], revision or 0, 0
        for _ in range(_PAGES_MAX):
            request = pb.RangeRequest(
                key=key, range_end=end, limit=page, revision=at, serializable=self.options.serializable
            )
            try:
                response = await self.call("Range", request, deadline)
            except Unknown as error:
                raise Refused("unread", f"a list that was not read to its end: {error}") from error
            told = told or response.header.revision
            at = at or response.header.revision
            objects += [[kv.key[cut:].decode(), decode(kv.value), kv.mod_revision] for kv in response.kvs]
            if not response.more:
                return Reply({"at": at, "objects": objects}, told, self.member)
            key = response.kvs[-1].key + b"\0"
        raise Refused("unread", f"the list has more than {_PAGES_MAX} pages")
