"""Transactions as far as `multi` goes: read the keys, then write under the condition that none has moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kazoo.exceptions import KazooException, NoNodeError, RolledBackError
from kazoo.protocol.serialization import CheckVersion, Create, Delete, SetData, Transaction

from quorate.harness.core.outcome import ANSWERED, Refused, Reply
from quorate.harness.systems.micro import play
from quorate.harness.systems.zookeeper.client.caller import Caller
from quorate.harness.systems.zookeeper.client.connection import Answered, Link


class TransactionCalls(Caller):
    """Optimistic transactions over ZooKeeper's atomic ones, which cannot read."""

    async def transact(self, micro: Sequence[Sequence[Any]]) -> Reply:
        """Run the micro-operations atomically; somebody in between is a `Refused("conflict")`.

        The multi checks the version of every key read, so what was read from a replica that lags is refused, and the
        transaction takes place at the multi's point in the order or not at all, also when it only reads.
        """
        async with self.operation("transact") as link:
            names = list(dict.fromkeys(str(key) for _, key, _ in micro))
            found = {name: await self.get(link, self.path("txn", name)) for name in names}
            state = {name: value for name, (value, _) in found.items()}
            done, written = play(micro, state)
            requests: list[Any] = []
            acl = self.options.access.acl
            for name in names:
                node, stat = self.path("txn", name), found[name][1]
                stored = self.stored(state[name], len(names))
                requests += _write(node, stat, stored, acl) if name in written else _check(node, stat, acl)
            answer = await self._multi(link, requests)
            return self.reply(link, done, answer.zxid)

    async def _multi(self, link: Link, requests: list[Any]) -> Answered:
        """Send it; again where it was refused because the parent of all keys is missing."""
        answer = await link.request(Transaction(requests))
        reason = rolled_back(answer)
        if isinstance(reason, NoNodeError) and any(isinstance(one, Create) for one in requests):
            await self.make_parents(link, self.path("txn", "-"))
            answer = await link.request(Transaction(requests))
            reason = rolled_back(answer)
        if reason is not None:
            raise Refused("conflict", type(reason).__name__, answer=ANSWERED)
        return answer


def rolled_back(answer: Answered) -> KazooException | None:
    """Why the multi was rolled back, or None where it was applied."""
    failed = [one for one in answer.value if isinstance(one, KazooException)]
    return next(
        (one for one in failed if not isinstance(one, RolledBackError)), failed[0] if failed else None
    )


def _write(node: str, stat: Any, stored: bytes, acl: list[Any]) -> list[Any]:
    if stat is None:
        return [Create(node, stored, acl, 0)]
    return [SetData(node, stored, stat.version)]


def _check(node: str, stat: Any, acl: list[Any]) -> list[Any]:
    if stat is None:
        # Absence cannot be checked: create and delete within one multi is one.
        return [Create(node, b"", acl, 0), Delete(node, -1)]
    return [CheckVersion(node, stat.version)]
