"""Queues and locks after ZooKeeper's recipes: sequences for order, ephemerals for ownership."""

from __future__ import annotations

from kazoo.protocol.serialization import Delete, GetData

from quorate.harness.core.outcome import ANSWERED, Refused, Reply
from quorate.harness.systems.zookeeper.client.caller import EPHEMERAL, SEQUENCE, Caller, decode


class QueueCalls(Caller):
    """Queues by sequence nodes: who deletes the lowest node has dequeued it."""

    async def enqueue(self, key: str, value: object) -> Reply:
        """Create the next node of the sequence."""
        async with self.operation("enqueue") as link:
            answer = await self.create(link, f"{self.path('queue', key)}/e-", value, SEQUENCE)
            return self.reply(link, None, answer.zxid)

    async def dequeue(self, key: str) -> Reply:
        """Delete the lowest node; `Refused("conflict")` where somebody was faster.

        It syncs first whatever the read mode is: a replica that lags would call a queue empty that is not.
        """
        async with self.operation("dequeue") as link:
            node = self.path("queue", key)
            names, _ = await self.children(link, node, fresh=True)
            if not names:
                return self.reply(link, None)
            head = f"{node}/{min(names)}"
            try:
                data, _ = (await link.request(GetData(head, False))).value
                answer = await link.request(Delete(head, -1))
            except Refused as error:
                raise error.renamed({"not-found": "conflict"}) from error
            return self.reply(link, decode(data), answer.zxid)


class LockCalls(Caller):
    """Locks by an ephemeral node: gone when its holder's session ends. The token is the zxid that created it.

    Nothing outside ZooKeeper is protected: a holder whose session expired unnoticed still thinks that it has the lock
    (documented). That is what the token is for: it grows with every holder.
    """

    async def acquire(self, key: str) -> Reply:
        """Create the node; `Refused("held")` where it is there."""
        async with self.operation("acquire") as link:
            try:
                answer = await self.create(link, f"{self.path('lock', key)}/holder", self.name, EPHEMERAL)
            except Refused as error:
                raise error.renamed({"exists": "held"}) from error
            return self.reply(link, answer.zxid, answer.zxid)

    async def release(self, key: str) -> Reply:
        """Delete the node if it is this session's; `Refused("not-held")` otherwise."""
        async with self.operation("release") as link:
            node = f"{self.path('lock', key)}/holder"
            try:
                _, stat = (await link.request(GetData(node, False))).value
            except Refused as error:
                raise error.renamed({"not-found": "not-held"}) from error
            if stat.ephemeralOwner != link.session.id:
                raise Refused("not-held", "another session holds it", answer=ANSWERED)
            try:
                answer = await link.request(Delete(node, stat.version))
            except Refused as error:
                raise error.renamed({"not-found": "not-held"}) from error
            return self.reply(link, None, answer.zxid)
