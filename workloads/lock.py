"""Locks: processes take a lock, hold it, and give it back; no two may hold it at once, and tokens must grow.

Sees: a lock held twice, a fencing token that goes backwards or comes again. Cannot see: what a holder does after its
session expired unnoticed (that is what tokens are for), locks across keys. A process that holds a lock does nothing
but release it, until that is answered; one whose release is unanswered is retired with its session.
"""

from __future__ import annotations

from random import Random
from typing import Annotated

import msgspec
from msgspec import Meta

from checkers.linearizable import Linearizable
from harness.capabilities import Locks
from harness.generators import Context, Generator, Invocation, Pending, by_key, per_process, reactive
from harness.history.event import Event, Type
from harness.outcome import Reply
from harness.workload import Workload, WorkloadOptions
from workloads.part import Count, threads_for, workload

_ACQUIRE = Invocation("acquire")
_RELEASE = Invocation("release")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of `lock`."""

    hold_ms: Annotated[Count, Meta(description="how long a lock is held before its release is asked")] = 5
    ops_per_key: Annotated[
        Count, Meta(description="operations after which a lock is left for a fresh one")
    ] = 200
    threads_per_key: Annotated[Count | None, Meta(description="clients that compete for a lock")] = 3
    keys: Annotated[Count | None, Meta(description="locks in all; the run ends when they are used up")] = None


class Turn(msgspec.Struct, frozen=True):
    """What a process is about to do: `f`, not before `after_ns`."""

    f: str = "acquire"
    after_ns: int = 0


@workload("lock", Settings)
def lock(options: WorkloadOptions, settings: Settings) -> Workload:
    """Make it."""
    hold_ns = settings.hold_ms * 1_000_000

    async def perform(client: Locks, invocation: Invocation) -> Reply:
        key: str = invocation.key
        return await (client.acquire(key) if invocation.f == "acquire" else client.release(key))

    def decide(turn: Turn, ctx: Context) -> tuple[Invocation | Pending | None, Turn]:
        if ctx.time_ns < turn.after_ns:
            return Pending(turn.after_ns), turn
        return (_ACQUIRE if turn.f == "acquire" else _RELEASE), turn

    def react(turn: Turn, _ctx: Context, event: Event) -> Turn:
        """Hold after an acquire that succeeded, and while a release is refused; wait a little after a refusal."""
        after_ns = event.time + hold_ns
        if event.f == "acquire":
            return Turn("release" if event.type == Type.OK else "acquire", after_ns)
        lost = event.error is not None and event.error[0] == "not-held"
        return Turn(
            "acquire" if event.type == Type.OK or lost else "release", after_ns if turn.f == "release" else 0
        )

    def on_key(_key: str, _rng: Random) -> Generator:
        return per_process(reactive(Turn(), decide, react))

    return Workload(
        name="lock",
        needs=(Locks,),
        operations=by_key(
            on_key,
            rng=options.rng,
            threads_per_key=threads_for(options.clients, settings.threads_per_key),
            operations_per_key=settings.ops_per_key,
            keys=settings.keys,
        ),
        perform=perform,
        final=None,
        must_hold=(Linearizable(model="fenced-lock", per_key=True),),
        model="fenced-lock",
        functions=("acquire", "release"),
    )
