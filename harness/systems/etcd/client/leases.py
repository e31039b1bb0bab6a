"""A client's lease, kept alive in the background as etcd's own client libraries do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

import grpc.aio

from quorate.harness.core.outcome import ANSWERED, Refused, Reply
from quorate.harness.systems.etcd.client.caller import Caller
from quorate.harness.systems.etcd.client.outcomes import outcome_of
from quorate.harness.systems.etcd.protocol import pb

_RETRY_S: Final = 0.5  # as etcd's own client (clientv3/lease.go: retryConnWait)


class Lease:
    """One lease of this client. `lost_at` is the loop's time at which the client learnt that it is gone."""

    def __init__(self, number: int, ttl_s: int) -> None:
        self.number = number
        self.ttl_s = ttl_s
        self.lost_at: float | None = None

    @property
    def session(self) -> str:
        """The lease's number as etcd prints it."""
        return f"{self.number:x}"


class LeasesOfEtcd(Caller):
    """Grant, renew, ask and revoke; and one lease that the client's locks live under."""

    _lease: Lease | None = None
    _keeper: asyncio.Task[None] | None = None

    async def grant(self, ttl_s: int) -> Reply:
        """Create a lease; the value is its number."""
        response = await self.call("LeaseGrant", pb.LeaseGrantRequest(TTL=ttl_s))
        return self.reply(response, response.ID)

    async def revoke(self, lease: int) -> Reply:
        """End a lease and delete its keys; `Refused("lease-not-found")` where there is none."""
        return self.reply(await self.call("LeaseRevoke", pb.LeaseRevokeRequest(ID=lease)))

    async def renew(self, lease: int) -> Reply:
        """Renew once; the value is the time to live in seconds. `Refused("lease-not-found")` where it is gone."""
        ttl, response = await self._renew(lease, self.deadline())
        if ttl <= 0:
            raise Refused(
                "lease-not-found", f"lease {lease:x}", version=response.header.revision, answer=ANSWERED
            )
        return self.reply(response, ttl)

    async def time_to_live(self, lease: int, *, keys: bool = False) -> Reply:
        """The value is {"ttl": seconds left, -1 where the lease does not exist, "granted": …, "keys": […]}."""
        response = await self.call("LeaseTimeToLive", pb.LeaseTimeToLiveRequest(ID=lease, keys=keys))
        found = {"ttl": response.TTL, "granted": response.grantedTTL}
        return self.reply(
            response, found | ({"keys": [key.decode() for key in response.keys]} if keys else {})
        )

    async def session_lease(self, deadline: float) -> Lease:
        """The client's own lease, granted on first use and again after it was lost."""
        if self._lease is None or self._lease.lost_at is not None:
            ttl_s = self.options.lease_ttl_s
            # A lease without keys leaves no trace in a history: its loss is not a lost write.
            response = await self.look("LeaseGrant", pb.LeaseGrantRequest(TTL=ttl_s), deadline)
            self._lease = Lease(response.ID, response.TTL)
            if self._keeper is not None:
                self._keeper.cancel()
            self._keeper = asyncio.create_task(self._keep(self._lease), name=f"lease {self._lease.session}")
        return self._lease

    async def close(self) -> None:
        """End the renewals and the connections. The lease is left to expire, as after a crash."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
        await super().close()

    async def _keep(self, lease: Lease) -> None:
        """Renew three times in a lifetime until the lease is gone; try again soon after an attempt that failed."""
        loop = asyncio.get_running_loop()
        patience_s = lease.ttl_s / 3
        pause_s = patience_s
        # Not `until`: keep-alives, with pauses that depend on the last one.
        while lease.lost_at is None:
            await asyncio.sleep(pause_s)
            sent = loop.time()
            pause_s = min(_RETRY_S, patience_s)
            with contextlib.suppress(Exception):
                ttl, _ = await self._renew(lease.number, sent + patience_s)
                pause_s = patience_s
                if ttl <= 0:
                    lease.lost_at = loop.time()

    async def _renew(self, lease: int, deadline: float) -> tuple[int, Any]:
        """Renew over a separate stream, which is how etcd offers it; return the time to live and the reply."""
        connection = self.connection()
        await connection.ready(deadline)
        metadata = await connection.metadata(deadline)
        left = deadline - asyncio.get_running_loop().time()
        stream = connection.stubs.LeaseKeepAlive(timeout=left, metadata=metadata)
        try:
            await stream.write(pb.LeaseKeepAliveRequest(ID=lease))
            response = await stream.read()
        except grpc.aio.AioRpcError as error:
            raise outcome_of(error)[0] from None
        finally:
            stream.cancel()
        if response is grpc.aio.EOF:
            raise Refused("lease-not-found", f"lease {lease:x}: the stream of renewals ended")
        return response.TTL, response
