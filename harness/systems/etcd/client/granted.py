"""Keys under their own leases: granted, renewed by hand, revoked, and read all at once; numbers from revisions."""

from __future__ import annotations

import math

from quorate.harness.core.capabilities import together
from quorate.harness.core.outcome import ANSWERED, OutcomeError, Refused, Reply
from quorate.harness.systems.etcd.client.caller import MOVES_ON, Caller, path, prefix_end
from quorate.harness.systems.etcd.client.leases import LeasesOfEtcd
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.values import encode


class GrantedOfEtcd(LeasesOfEtcd):
    """etcd promises the whole time to live after a renewal, and starts it anew when its leader changes: no reserves."""

    async def grant_key(self, space: str, name: str, ttl_s: float, beside: int = 0) -> Reply:
        """Grant a lease, then put the keys under it; a lease without keys shows in no history."""
        deadline = self.deadline()
        granted = await self.look("LeaseGrant", pb.LeaseGrantRequest(TTL=math.ceil(ttl_s)), deadline)
        puts = [
            pb.PutRequest(key=_at(space, one), value=encode(self.name), lease=granted.ID)
            for one in together(name, beside)
        ]
        if beside:
            changes = [pb.RequestOp(request_put=put) for put in puts]
            response = await self.call("Txn", pb.TxnRequest(success=changes), deadline)
        else:
            response = await self.call("Put", puts[0], deadline)
        told = {"ttl_ms": granted.TTL * 1000, "sooner_ms": 0, "later_ms": 0, "relay_ms": 0}
        return self.reply(response, {"lease": granted.ID, **told})

    async def renew_key(self, space: str, name: str, lease: int) -> Reply:
        """Renew once; the leader answers."""
        del space, name
        try:
            return await self.renew(lease)
        except OutcomeError as error:
            if error.code in MOVES_ON:
                self._at = (self._at + 1) % len(self._connections)
            raise _named(error) from None

    async def revoke_key(self, space: str, name: str, lease: int) -> Reply:
        """Revoke: etcd deletes all its keys in the same step."""
        del space, name
        try:
            return await self.revoke(lease)
        except Refused as error:
            raise _named(error) from None

    async def granted_keys(self, space: str) -> Reply:
        """One linearizable range over the names."""
        where = _at(space, "")
        request = pb.RangeRequest(key=where, range_end=prefix_end(where), keys_only=True)
        response = await self.call("Range", request)
        names = [kv.key.decode()[len(where) :] for kv in response.kvs]
        return self.reply(response, {"names": names, "term": response.header.raft_term})


class NumbersOfEtcd(Caller):
    """Every change of the store has its own revision."""

    async def next_id(self, key: str) -> Reply:
        """Put the key; the value is the revision of that put."""
        response = await self.call("Put", pb.PutRequest(key=path("ids", key), value=encode(self.name)))
        return self.reply(response, response.header.revision)


def _at(space: str, name: str) -> bytes:
    return f"/granted/{space}/{name}".encode()


def _named(error: OutcomeError) -> OutcomeError:
    """The same error by the capability's name for a lease that has ended."""
    if error.code != "lease-not-found":
        return error
    assert isinstance(error, Refused)
    return Refused("lease-gone", error.text, version=error.version, answer=ANSWERED)
