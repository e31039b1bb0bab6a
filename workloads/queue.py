"""Queues: unique values go in at the tail and come out at the head; in the end every queue is drained.

Sees: lost and duplicated elements, elements that were never put in, wrong order, a queue called empty that is not.
Cannot see: anything across queues; what an unanswered dequeue took is unknown and may hide one loss each.
"""

from __future__ import annotations

from random import Random
from typing import Annotated

from msgspec import Meta

from quorate.checkers.linearizable import Linearizable
from quorate.harness.core.capabilities import Queues
from quorate.harness.core.outcome import Reply
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import (
    PENDING,
    Context,
    Generator,
    Invocation,
    Offer,
    Step,
    deferred,
    each,
    mix,
    repeat,
)
from quorate.harness.history.event import Event, Type
from quorate.workloads.keyed import KeyedSettings, on_keys
from quorate.workloads.part import Share, Used, weights, workload

_TRIES = 10


class Settings(KeyedSettings, frozen=True, forbid_unknown_fields=True):
    """Settings of the queue workload."""

    dequeue_share: Annotated[Share, Meta(description="share of operations that take an element")] = 0.45


class Drain(Generator, frozen=True, gc=False):
    """Dequeue from each key until it is empty; a key that cannot be drained is left after ten attempts that failed.

    `waiting` are keys with their attempts left, `running` the same by the thread at work on them.
    """

    waiting: tuple[tuple[str, int], ...]
    running: tuple[tuple[int, str, int], ...] = ()

    def next(self, ctx: Context) -> Step | None:
        """Offer a dequeue from the first key that waits."""
        if not self.waiting:
            return (PENDING, self) if self.running else None
        (key, left), *rest = self.waiting
        thread = ctx.pick()
        return Offer(Invocation("dequeue", key), thread), Drain(
            tuple(rest), (*self.running, (thread, key, left))
        )

    def update(self, ctx: Context, event: Event) -> Generator:
        """Put the key back unless it was empty."""
        thread = ctx.thread(event.process)
        for i, (runner, key, left) in enumerate(self.running):
            if runner == thread:
                running = (*self.running[:i], *self.running[i + 1 :])
                if event.type == Type.OK:
                    return Drain(
                        self.waiting if event.value is None else (*self.waiting, (key, left)), running
                    )
                return Drain((*self.waiting, (key, left - 1)) if left > 1 else self.waiting, running)
        return self


@workload("queue", Settings)
def queue(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the queue workload."""
    used = Used()
    enqueue, dequeue = weights(1 - settings.dequeue_share, settings.dequeue_share)

    async def perform(client: Queues, invocation: Invocation) -> Reply:
        key: str = invocation.key
        used.add(key)
        if invocation.f == "enqueue":
            return await client.enqueue(key, invocation.value)
        return await client.dequeue(key)

    def on_key(_key: str, rng: Random) -> Generator:
        puts = each(lambda n, _draws: Invocation("enqueue", None, n + 1))
        return mix((enqueue, puts), (dequeue, repeat(Invocation("dequeue"))), rng=rng)

    return Workload(
        name="queue",
        needs=(Queues,),
        operations=on_keys(on_key, options, settings),
        perform=perform,
        final=deferred(lambda: Drain(tuple((key, _TRIES) for key in used.keys))),
        must_hold=(Linearizable(model="queue", per_key=True),),
        model="queue",
        functions=("enqueue", "dequeue"),
    )
