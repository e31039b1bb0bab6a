"""Locks under a lease, by one of two recipes: a key created if absent (`lock=key`), or etcd's lock service.

Neither protects anything outside etcd: a holder that was paused for longer than its lease does not know that it has
lost the lock (documented by etcd and by Jepsen, 2020). The value of an acquire is the fencing token to use for that:
the create revision of the lock's key, which grows with every holder.
"""

from __future__ import annotations

from typing import Any

from quorate.harness.core.outcome import ANSWERED, UNASKED, Refused, Reply
from quorate.harness.systems.etcd.client.caller import path
from quorate.harness.systems.etcd.client.leases import Lease, LeasesOfEtcd
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.values import encode


class LocksOfEtcd(LeasesOfEtcd):
    """Acquire does not wait with `lock=key`; with the service it waits in etcd's queue until the deadline."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._held: dict[str, tuple[bytes, int | None]] = {}

    async def acquire(self, key: str) -> Reply:
        """Take the lock; the value is the fencing token. `Refused("held")` where somebody has it."""
        deadline = self.deadline()
        lease = await self.session_lease(deadline)
        take = self._take_by_service if self.options.lock_service else self._take_key
        try:
            return await take(key, lease, deadline)
        except Refused as error:
            if error.code == "lease-not-found":
                lease.lost_at = deadline  # the next acquire gets a new lease
            raise

    async def release(self, key: str) -> Reply:
        """Delete the lock's key if it is still the one this client made, else `Refused("not-held")`."""
        held = self._held.get(key)
        if held is None:
            raise Refused("not-held", f"{key} was not acquired by this client", answer=UNASKED)
        where, revision = held
        response = await self.call(
            "Txn",
            pb.TxnRequest(
                compare=[_created(where, revision)],
                success=[pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=where))],
            ),
        )
        del self._held[key]  # not before: a release that was refused has changed nothing
        if not response.succeeded:
            raise Refused(
                "not-held", "the lease has expired", version=response.header.revision, answer=ANSWERED
            )
        return self.reply(response)

    async def _take_key(self, key: str, lease: Lease, deadline: float) -> Reply:
        where = path("lock", key)
        request = pb.TxnRequest(
            compare=[_created(where, 0)],
            success=[
                pb.RequestOp(
                    request_put=pb.PutRequest(key=where, value=encode(self.name), lease=lease.number)
                )
            ],
            failure=[pb.RequestOp(request_range=pb.RangeRequest(key=where))],
        )
        response = await self.call("Txn", request, deadline)
        revision = response.header.revision
        if not response.succeeded:
            raise Refused("held", version=revision, answer=ANSWERED)
        self._held[key] = (where, revision)
        return Reply(revision, revision, self.member, lease.session)

    async def _take_by_service(self, key: str, lease: Lease, deadline: float) -> Reply:
        """Wait in the service's queue. Once it said "yours" the lock counts as taken, whatever is found out later.

        The grant is looked up as of its revision: a key that was deleted after it was lost in the normal way, and
        one that was gone by then was never held, which the reply's evidence says.
        """
        request = pb.LockRequest(name=path("lock", key), lease=lease.number)
        response = await self.call("Lock", request, deadline)
        granted = response.header.revision
        token, evidence = None, None
        try:
            found = await self.look("Range", pb.RangeRequest(key=response.key, revision=granted), deadline)
        except Refused as error:
            evidence = f"the token was not read: {error}"
        else:
            if found.kvs:
                token = found.kvs[0].create_revision
            else:
                evidence = f"granted at revision {granted}, at which the lock's key was gone already"
        self._held[key] = (response.key, token)
        return Reply(token, granted, self.member, lease.session, evidence)


def _created(where: bytes, revision: int | None) -> object:
    """Compare the key's create revision with this one; None: with there being none (the key's name is unique)."""
    result = pb.Compare.GREATER if revision is None else pb.Compare.EQUAL
    return pb.Compare(key=where, target=pb.Compare.CREATE, result=result, create_revision=revision or 0)
