"""Elections by etcd's election service, under the client's own lease."""

from __future__ import annotations

from typing import Any

from quorate.harness.core.outcome import UNASKED, Refused, Reply
from quorate.harness.systems.etcd.client.caller import decode, path
from quorate.harness.systems.etcd.client.leases import LeasesOfEtcd
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.values import encode


class ElectionsOfEtcd(LeasesOfEtcd):
    """Campaign, proclaim, ask and resign. The token of a leader is the create revision of its key."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._won: dict[str, Any] = {}

    async def campaign(self, key: str, value: Any) -> Reply:
        """Wait in etcd's queue to be elected, until the deadline (then unknown: the candidacy may continue)."""
        deadline = self.deadline()
        lease = await self.session_lease(deadline)
        request = pb.CampaignRequest(name=path("election", key), lease=lease.number, value=encode(value))
        try:
            response = await self.call("Campaign", request, deadline)
        except Refused as error:
            if error.code == "lease-not-found":
                lease.lost_at = deadline  # the next campaign gets a new lease
            raise
        self._won[key] = response.leader
        return Reply(response.leader.rev, response.header.revision, self.member, lease.session)

    async def proclaim(self, key: str, value: Any) -> Reply:
        """Change what the leader says; `Refused("not-elected")` where this client leads no more."""
        leadership = self._leadership(key)
        response = await self.call("Proclaim", pb.ProclaimRequest(leader=leadership, value=encode(value)))
        return self.reply(response, leadership.rev)

    async def leader(self, key: str) -> Reply:
        """Ask who leads: the value is [its value, its token]; `Refused("nobody-elected")` where there is no leader."""
        response = await self.call("Leader", pb.LeaderRequest(name=path("election", key)))
        return self.reply(response, [decode(response.kv.value), response.kv.create_revision])

    async def resign(self, key: str) -> Reply:
        """Give the leadership up."""
        request = pb.ResignRequest(leader=self._leadership(key))
        response = await self.call("Resign", request)
        del self._won[key]  # not before: where it was refused, this client leads still
        return self.reply(response)

    def _leadership(self, key: str) -> Any:
        if key not in self._won:
            raise Refused("not-elected", f"this client was not elected in {key}", answer=UNASKED)
        return self._won[key]
