"""Watches: what changed from a revision on, batch by batch, exactly as the member sends it.

Nothing is resumed or hidden: a watch that the member cancels, for compaction or anything else, says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import grpc.aio
import msgspec

from quorate.harness.core.outcome import ANSWERED, Refused, Unknown
from quorate.harness.systems.etcd.client.caller import Caller, prefix_end
from quorate.harness.systems.etcd.client.outcomes import outcome_of
from quorate.harness.systems.etcd.protocol import pb


class Change(msgspec.Struct, frozen=True):
    """One event. `value` is None for a deletion, `previous` the value before where it was asked for."""

    key: str
    value: bytes | None
    mod_revision: int
    create_revision: int
    version: int
    previous: bytes | None = None


class Batch(msgspec.Struct, frozen=True):
    """One message of a watch: `revision` is the member's when it was sent; without changes it reports progress."""

    revision: int
    changes: tuple[Change, ...]


class Watch:
    """An open watch. `next` gives the batches in order; `close` ends it."""

    def __init__(self, stream: Any, number: int, created_at: int) -> None:
        self._stream = stream
        self._number = number
        self.created_at = created_at  # the member's revision when it was created
        self._reading: asyncio.Task[Any] | None = None

    async def next(self, timeout_s: float) -> Batch | None:
        """Return the next batch, or None if there is none in time.

        Raises `Refused("compacted", version=…)` when events asked for are gone, `Refused("cancelled")` when the member
        ended the watch, `Unknown` when the connection was lost.
        """
        # A read that is cancelled ends the whole stream in grpc.aio, so one that is late continues for the next call.
        reading = self._reading or asyncio.create_task(self._stream.read())
        self._reading = reading
        done, _ = await asyncio.wait({reading}, timeout=timeout_s)
        if not done:
            return None
        self._reading = None
        try:
            said = reading.result()
        except grpc.aio.AioRpcError as error:
            raise outcome_of(error)[0] from None
        if said is grpc.aio.EOF:
            raise Unknown("connection-lost", "the watch's stream ended")
        if said.compact_revision:
            raise Refused("compacted", said.cancel_reason, version=said.compact_revision, answer=ANSWERED)
        if said.canceled:
            raise Refused("cancelled", said.cancel_reason, version=said.header.revision)
        return Batch(said.header.revision, tuple(_change(event) for event in said.events))

    async def ask_progress(self) -> None:
        """Ask up to which revision everything has been sent; the answer is a batch without changes (3.4 and later)."""
        await self._stream.write(pb.WatchRequest(progress_request=pb.WatchProgressRequest()))

    async def close(self) -> None:
        """End the watch; never raises."""
        with contextlib.suppress(Exception):
            self._stream.cancel()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})


class WatchesOfEtcd(Caller):
    """Watch a key or all keys with a prefix."""

    async def watch(
        self,
        key: str,
        *,
        prefix: bool = False,
        start_revision: int = 0,
        previous: bool = False,
        progress: bool = False,
    ) -> Watch:
        """Open a watch on the literal etcd key, from `start_revision` on (0: from now).

        `previous` asks for the values before each change, `progress` for progress without asking. Raises as a call.
        """
        deadline = self.deadline()
        connection = self.connection()
        await connection.ready(deadline)
        where = key.encode()
        request = pb.WatchCreateRequest(
            key=where,
            range_end=prefix_end(where) if prefix else b"",
            start_revision=start_revision,
            prev_kv=previous,
            progress_notify=progress,
        )
        metadata = await connection.metadata(deadline)
        stream = connection.stubs.Watch(metadata=metadata)
        try:
            async with asyncio.timeout_at(deadline):
                await stream.write(pb.WatchRequest(create_request=request))
                created = await stream.read()
        except TimeoutError:
            stream.cancel()
            raise Unknown("timeout", "the watch was not created in time") from None
        except grpc.aio.AioRpcError as error:
            raise outcome_of(error)[0] from None
        if created is grpc.aio.EOF or not created.created or created.canceled:
            stream.cancel()
            raise Refused("cancelled", getattr(created, "cancel_reason", "the stream ended"))
        return Watch(stream, created.watch_id, created.header.revision)


def _change(event: Any) -> Change:
    kv = event.kv
    return Change(
        key=kv.key.decode(errors="backslashreplace"),
        value=None if event.type == pb.Event.DELETE else kv.value,
        mod_revision=kv.mod_revision,
        create_revision=kv.create_revision,
        version=kv.version,
        previous=event.prev_kv.value if event.HasField("prev_kv") else None,
    )
