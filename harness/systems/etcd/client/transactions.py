"""Transactions as users of etcd build them: read the keys, then commit if none has changed since.

A transaction that only reads is one etcd transaction of ranges. One that writes reads what it needs in a first one,
works out the result, and commits in a second whose compares demand that every key it read still has the same
modification revision. A refused commit is `Refused("conflict")`: nothing was written. `Reply.version` is the revision
of the transaction that answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quorate.harness.core.outcome import ANSWERED, Refused, Reply
from quorate.harness.systems.etcd.client.caller import Caller, decode, path
from quorate.harness.systems.etcd.protocol import pb
from quorate.harness.systems.micro import play

Micro = Sequence[Sequence[Any]]


class TransactionsOfEtcd(Caller):
    """`append`, `w` and `r` over several keys, atomically."""

    async def transact(self, micro: Micro) -> Reply:
        """Run the micro-operations in order on one state; reads see the transaction's own writes before them."""
        deadline = self.deadline()
        needed = _keys_to_read(micro)
        writes = any(f != "r" for f, _, _ in micro)
        state: dict[str, Any] = {}
        revisions: dict[str, int] = {}
        if needed:
            response = await self._read(needed, deadline, writes=writes)
            for key, part in zip(needed, response.responses, strict=True):
                kvs = part.response_range.kvs
                state[key] = decode(kvs[0].value) if kvs else None
                revisions[key] = kvs[0].mod_revision if kvs else 0
        done, written = play(micro, state)
        if not writes:
            return self.reply(response, done)
        request = pb.TxnRequest(
            compare=[_unchanged(key, revision) for key, revision in revisions.items()],
            success=[_put(key, self.stored(state[key], len(written))) for key in written],
        )
        response = await self.call("Txn", request, deadline)
        if not response.succeeded:
            raise Refused(
                "conflict",
                "a key changed since it was read",
                version=response.header.revision,
                answer=ANSWERED,
            )
        return self.reply(response, done)

    async def _read(self, keys: Sequence[str], deadline: float, *, writes: bool) -> Any:
        serializable = self.options.serializable
        ranges = [pb.RangeRequest(key=path("txn", key), serializable=serializable) for key in keys]
        request = pb.TxnRequest(success=[pb.RequestOp(request_range=each) for each in ranges])
        return await (self.look if writes else self.call)("Txn", request, deadline)


def _keys_to_read(micro: Micro) -> list[str]:
    """Keys whose stored value matters: read or appended to before the transaction itself writes them."""
    written: set[str] = set()
    needed: dict[str, None] = {}
    for f, key, _ in micro:
        if f not in {"r", "w", "append"}:
            raise ValueError(f"no micro-operation is called {f!r}")
        if f != "w" and key not in written:
            needed[key] = None
        if f == "w":
            written.add(key)
    return list(needed)


def _unchanged(key: str, revision: int) -> Any:
    where, equal = path("txn", key), pb.Compare.EQUAL
    return pb.Compare(key=where, target=pb.Compare.MOD, result=equal, mod_revision=revision)


def _put(key: str, stored: bytes) -> Any:
    return pb.RequestOp(request_put=pb.PutRequest(key=path("txn", key), value=stored))
