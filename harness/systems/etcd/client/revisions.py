"""etcd's revisions: changes that also look at the past or compare a whole range, compaction, and followed watches."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from quorate.harness.core.outcome import Refused, Reply
from quorate.harness.systems.etcd.client.caller import decode, prefix_end
from quorate.harness.systems.etcd.client.keys import KeysOfEtcd
from quorate.harness.systems.etcd.client.watches import Change, Watch, WatchesOfEtcd
from quorate.harness.systems.etcd.protocol import pb

_ASK_S: Final = 0.02
_MESSAGES_MAX: Final = 10_000


class RevisionsOfEtcd(WatchesOfEtcd, KeysOfEtcd):
    """A space is a prefix of keys; values are JSON."""

    _standing: Watch | None = None
    _standing_from = 1
    _standing_next = 1

    async def current(self, space: str, name: str) -> Reply:
        """One range, in the read mode of the client."""
        request = pb.RangeRequest(key=where(space, name), serializable=self.options.serializable)
        response = await self.call("Range", request)
        return self.reply(response, decode(response.kvs[0].value) if response.kvs else None)

    async def change(
        self,
        space: str,
        changes: Mapping[str, Any],
        past: int | None = None,
        compare_all: bool = False,  # noqa: FBT001, FBT002 - as the capability says
    ) -> Reply:
        """One transaction: compares of a range, puts and deletes, and a range at an old revision."""
        compare = []
        if compare_all:
            everything = where(space, "")
            greater, target = pb.Compare.GREATER, pb.Compare.VERSION
            compare = [
                pb.Compare(
                    key=everything, range_end=prefix_end(everything), target=target, result=greater, version=0
                )
            ]
        operations = [
            _change(where(space, name), None if value is None else self.stored(value, len(changes)))
            for name, value in changes.items()
        ]
        if past is not None:
            look = pb.RangeRequest(key=where(space, next(iter(changes))), revision=past)
            operations.append(pb.RequestOp(request_range=look))
        response = await self.call("Txn", pb.TxnRequest(compare=compare, success=operations))
        if not response.succeeded:
            raise Refused("conflict", "a key of the space has no version", version=response.header.revision)
        done = [
            name
            for (name, value), said in zip(changes.items(), response.responses, strict=False)
            if value is not None or said.response_delete_range.deleted
        ]
        return self.reply(response, done)

    async def forget(self, space: str, revision: int) -> Reply:
        """Compact; etcd has one history for all keys."""
        del space
        return await self.compact(revision)

    async def follow(
        self,
        space: str,
        start: int | None,
        seconds: float,
        progress: bool = False,  # noqa: FBT001, FBT002 - as the capability says
    ) -> Reply:
        """One watch on its own stream; the standing one continues where it failed, or where compaction left it."""
        prefix = where(space, "").decode()
        watch, first = self._standing, self._standing_from
        if start is not None or watch is None:
            first = self._standing_next if start is None else start
            # Values before a change are what API servers ask for; short watches do without, as other clients do.
            watch = await self.watch(prefix, prefix=True, start_revision=first, previous=start is None)
        keeps = start is None
        messages: list[list[Any]] = []
        if keeps:
            self._standing, self._standing_from = watch, first
        try:
            await _read(watch, len(prefix), seconds, messages, progress=progress)
        except Refused as error:
            if keeps and error.code == "compacted":
                self._standing_next = error.version or self._standing_next
            keeps = False
            raise
        except BaseException:
            keeps = False
            raise
        finally:
            if not keeps:
                await watch.close()
                if start is None:
                    self._standing = None
        if start is None:
            # What a failing call would have carried is lost with it: the next watch must show it again.
            shown = (change[2] for _, changes in messages for change in changes)
            self._standing_next = max((self._standing_next, *(revision + 1 for revision in shown)))
        return Reply({"from": first, "messages": messages}, None, self.member)

    async def close(self) -> None:
        """End the standing watch too."""
        if self._standing is not None:
            await self._standing.close()
        await super().close()


async def _read(watch: Watch, cut: int, seconds: float, messages: list[list[Any]], *, progress: bool) -> None:
    """Read for so long; keys lose their first `cut` characters."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    asking = asyncio.create_task(_ask(watch)) if progress else None
    try:
        while (left := end - loop.time()) > 0 and len(messages) < _MESSAGES_MAX:
            batch = await watch.next(left)
            if batch is not None:
                messages.append([batch.revision, [_shown(change, cut) for change in batch.changes]])
    finally:
        if asking is not None:
            asking.cancel()
            await asyncio.wait({asking})


def _shown(change: Change, cut: int) -> list[Any]:
    value = None if change.value is None else decode(change.value)
    before = [] if change.previous is None else [decode(change.previous)]
    return [change.key[cut:], value, change.mod_revision, *before]


async def _ask(watch: Watch) -> None:
    """Ask for progress again and again; where the stream has ended its reader says so."""
    with contextlib.suppress(Exception):
        while True:
            await watch.ask_progress()
            await asyncio.sleep(_ASK_S)


def where(space: str, name: str) -> bytes:
    """The key of a name in a space."""
    return f"/revisions/{space}/{name}".encode()


def _change(key: bytes, stored: bytes | None) -> Any:
    if stored is None:
        return pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=key))
    return pb.RequestOp(request_put=pb.PutRequest(key=key, value=stored))
