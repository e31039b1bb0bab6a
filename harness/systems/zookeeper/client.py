"""The ZooKeeper client: capabilities over znodes, versions, sequences and ephemerals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kazoo.exceptions import KazooException, RolledBackError
from kazoo.protocol.serialization import (
    CheckVersion,
    Create,
    Delete,
    GetChildren2,
    GetData,
    SetData,
    Sync,
    Transaction,
)
from kazoo.security import OPEN_ACL_UNSAFE

from harness.outcome import Refused, Reply
from harness.systems.zookeeper.caller import EPHEMERAL, SEQUENCE, Caller, decode, encode, path
from harness.systems.zookeeper.connection import Link


class RegisterCalls(Caller):
    """Registers: a node for each key; versions are zxids of the last change (mzxid)."""

    async def read(self, key: str) -> Reply:
        """Read in the mode of the options."""
        async with self.operation("read") as link:
            value, stat = await self.get(link, path("register", key))
            return self.reply(link, value, stat.mzxid if stat else None)

    async def write(self, key: str, value: Any) -> Reply:
        """Set the node, or create it where it was never written."""
        async with self.operation("write") as link:
            return await self._put(link, path("register", key), value)

    async def _put(self, link: Link, node: str, value: Any) -> Reply:
        try:
            answer = await link.request(SetData(node, encode(value), -1))
            return self.reply(link, None, answer.value.mzxid)
        except Refused as error:
            if error.code != "not-found":
                raise
        try:
            created = await self.create(link, node, value)
            return self.reply(link, None, created.zxid)
        except Refused as error:
            if error.code != "exists":
                raise
        # Somebody else created it in between: the first two tries certainly changed nothing.
        answer = await link.request(SetData(node, encode(value), -1))
        return self.reply(link, None, answer.value.mzxid)

    async def cas(self, key: str, old: Any, new: Any) -> Reply:
        """Compare the value read, then set under its version.

        A refusal does not tell what was seen: ZooKeeper reads, even after a sync, are not linearizable.
        """
        async with self.operation("cas") as link:
            node = path("register", key)
            value, stat = await self.get(link, node)
            if stat is None or value != old:
                raise Refused("mismatch", f"the replica holds {value!r}")
            try:
                answer = await link.request(SetData(node, encode(new), stat.version))
            except Refused as error:
                raise Refused("conflict", error.text) if error.code == "bad-version" else error from error
            return self.reply(link, None, answer.value.mzxid)


class SetCalls(Caller):
    """Sets: a child for each element."""

    async def add(self, key: str, element: int) -> Reply:
        """Create the element's node."""
        async with self.operation("add") as link:
            answer = await self.create(link, f"{path('set', key)}/{element}", element)
            return self.reply(link, None, answer.zxid)

    async def members(self, key: str) -> Reply:
        """List the children, in the mode of the options."""
        async with self.operation("members") as link:
            children, stat = await self.children(link, path("set", key))
            return self.reply(link, sorted(int(child) for child in children), stat.pzxid if stat else None)

    async def children(self, link: Link, node: str) -> tuple[list[str], Any]:
        """List children and stat; nothing where there is no such node."""
        if self.options.reads == "sync":
            await link.request(Sync(node))
        try:
            answer = await link.request(GetChildren2(node, False))
        except Refused as error:
            if error.code == "not-found":
                return [], None
            raise
        children, stat = answer.value
        return children, stat


class QueueCalls(SetCalls):
    """Queues by sequence nodes, as the recipe has it: who deletes the lowest node has dequeued it."""

    async def enqueue(self, key: str, value: Any) -> Reply:
        """Create the next node of the sequence."""
        async with self.operation("enqueue") as link:
            answer = await self.create(link, f"{path('queue', key)}/e-", value, SEQUENCE)
            return self.reply(link, None, answer.zxid)

    async def dequeue(self, key: str) -> Reply:
        """Delete the lowest node; `Refused("conflict")` where somebody was faster."""
        async with self.operation("dequeue") as link:
            node = path("queue", key)
            children, _ = await self.children(link, node)
            if not children:
                return self.reply(link, None)
            head = f"{node}/{min(children)}"
            try:
                data, _ = (await link.request(GetData(head, False))).value
                answer = await link.request(Delete(head, -1))
            except Refused as error:
                raise Refused("conflict", error.text) if error.code == "not-found" else error from error
            return self.reply(link, decode(data), answer.zxid)


class LockCalls(Caller):
    """Locks by an ephemeral node: gone when its holder's session ends. The token is the zxid that created it."""

    async def acquire(self, key: str) -> Reply:
        """Create the node; `Refused("held")` where it is there."""
        async with self.operation("acquire") as link:
            try:
                answer = await self.create(link, f"{path('lock', key)}/holder", self.name, EPHEMERAL)
            except Refused as error:
                raise Refused("held", error.text) if error.code == "exists" else error from error
            return self.reply(link, answer.zxid, answer.zxid)

    async def release(self, key: str) -> Reply:
        """Delete the node if it is this session's; `Refused("not-held")` otherwise."""
        async with self.operation("release") as link:
            node = f"{path('lock', key)}/holder"
            try:
                _, stat = (await link.request(GetData(node, False))).value
            except Refused as error:
                raise Refused("not-held", error.text) if error.code == "not-found" else error from error
            if stat.ephemeralOwner != link.session.id:
                raise Refused("not-held", "another session holds it")
            answer = await link.request(Delete(node, stat.version))
            return self.reply(link, None, answer.zxid)


class CounterCalls(Caller):
    """Counters: set under the version read; somebody in between is a `Refused("conflict")`."""

    async def increment(self, key: str, amount: int) -> Reply:
        """Add the amount, once or not at all."""
        async with self.operation("increment") as link:
            node = path("counter", key)
            value, stat = await self.get(link, node)
            try:
                if stat is None:
                    created = await self.create(link, node, amount)
                    return self.reply(link, None, created.zxid)
                answer = await link.request(SetData(node, encode((value or 0) + amount), stat.version))
            except Refused as error:
                taken = error.code in {"bad-version", "exists"}
                raise Refused("conflict", error.text) if taken else error from error
            return self.reply(link, None, answer.value.mzxid)

    async def value(self, key: str) -> Reply:
        """Read in the mode of the options; 0 where nobody added."""
        async with self.operation("value") as link:
            value, stat = await self.get(link, path("counter", key))
            return self.reply(link, value or 0, stat.mzxid if stat else None)


class TransactionCalls(Caller):
    """Transactions as far as `multi` goes: read the keys, then write under the condition that none has moved."""

    async def transact(self, micro: Sequence[Sequence[Any]]) -> Reply:
        """Run the micro-operations atomically; somebody in between is a `Refused("conflict")`.

        The multi checks the version of every key read, so what was read from a replica that lags is refused, and the
        transaction takes place at the multi's point in the order or not at all.
        """
        async with self.operation("transact") as link:
            names = list(dict.fromkeys(str(key) for _, key, _ in micro))
            found = {name: await self.get(link, path("txn", name)) for name in names}
            state = {name: value for name, (value, _) in found.items()}
            done: list[list[Any]] = []
            written: set[str] = set()
            for function, key, value in micro:
                name = str(key)
                if function == "r":
                    done.append([function, key, state[name]])
                    continue
                state[name] = [*(state[name] or []), value] if function == "append" else value
                written.add(name)
                done.append([function, key, value])
            requests: list[Any] = []
            for name in names:
                requests += _conditional(path("txn", name), found[name][1], name in written, state[name])
            answer = await link.request(Transaction(requests))
            failed = [one for one in answer.value if isinstance(one, KazooException)]
            if failed:
                reason = next((one for one in failed if not isinstance(one, RolledBackError)), failed[0])
                raise Refused("conflict", type(reason).__name__)
            return self.reply(link, done, answer.zxid)


def _conditional(node: str, stat: Any, is_written: bool, value: Any) -> list[Any]:  # noqa: FBT001
    """Requests of a multi that hold only if the node is as it was read."""
    if stat is not None:
        return [
            SetData(node, encode(value), stat.version) if is_written else CheckVersion(node, stat.version)
        ]
    created = Create(node, encode(value), OPEN_ACL_UNSAFE, 0)
    # There is no check for absence: create and delete within the multi is one.
    return [created] if is_written else [created, Delete(node, -1)]


class ZooKeeperClient(RegisterCalls, QueueCalls, LockCalls, CounterCalls, TransactionCalls):
    """All capabilities over one session."""
