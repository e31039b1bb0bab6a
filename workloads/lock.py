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

from quorate.checkers.linearizable import Linearizable
from quorate.harness.core.capabilities import Locks
from quorate.harness.core.outcome import Reply
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import PENDING, Context, Generator, Invocation, Offer, Pending, Step, by_key
from quorate.harness.generators.core import soonest
from quorate.harness.history.event import Event, Type
from quorate.workloads.part import Count, threads_for, workload

_ACQUIRE = Invocation("acquire")
_RELEASE = Invocation("release")
_ENDLESS = 1 << 62


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the lock workload."""

    hold_ms: Annotated[Count, Meta(description="how long a lock is held before its release is asked")] = 5
    acquires_per_key: Annotated[Count, Meta(description="attempts after which a lock is left")] = 150
    threads_per_key: Annotated[Count | None, Meta(description="clients that compete for a lock")] = 3
    keys: Annotated[Count | None, Meta(description="locks in all; the run ends when they are used up")] = None


class Turn(msgspec.Struct, frozen=True, gc=False):
    """What a process is at: `idle`, `acquiring`, `holding` or `releasing`; its next step is not before `after_ns`."""

    process: int | str
    state: str
    after_ns: int = 0


class Competition(Generator, frozen=True, gc=False):
    """Processes compete for one lock until `left` acquires were tried, and then until everyone has given it back.

    Whoever holds the lock does not do more before it is released: a client that moved to another key and was
    retired there would give the lock back with its session, unseen by the history.
    """

    hold_ns: int
    left: int
    turns: tuple[Turn, ...] = ()

    def next(self, ctx: Context) -> Step | None:
        """Offer a release to who holds it for long enough, an acquire to who is idle."""
        free, until = ctx.free, None
        asked = ctx.restrict(free)
        while asked.free:
            thread = asked.pick()
            asked.free &= ~(1 << thread)
            process = ctx.process(thread)
            turn = next((turn for turn in self.turns if turn.process == process), Turn(process, "idle"))
            if turn.state == "idle" and self.left == 0:
                continue
            if ctx.time_ns < turn.after_ns:
                until = soonest(until, turn.after_ns)
                continue
            if turn.state == "holding":
                return Offer(_RELEASE, thread), self.at(Turn(process, "releasing"), self.left)
            return Offer(_ACQUIRE, thread), self.at(Turn(process, "acquiring"), self.left - 1)
        if self.left == 0 and all(turn.state == "idle" for turn in self.turns):
            return None
        return PENDING if until is None else Pending(until), self

    def at(self, turn: Turn, left: int) -> Competition:
        """Return the state with one process elsewhere."""
        others = tuple(other for other in self.turns if other.process != turn.process)
        return Competition(self.hold_ns, left, (*others, turn))

    def update(self, _ctx: Context, event: Event) -> Generator:
        """Follow the process; one whose operation has no answer is retired, and its session with it."""
        if event.type == Type.INFO:
            left = tuple(turn for turn in self.turns if turn.process != event.process)
            return Competition(self.hold_ns, self.left, left)
        lost = event.error is not None and event.error[0] == "not-held"
        done = event.type == Type.OK
        holds = done if event.f == "acquire" else not (done or lost)
        return self.at(
            Turn(event.process, "holding" if holds else "idle", event.time + self.hold_ns), self.left
        )


@workload("lock", Settings)
def lock(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the lock workload."""

    async def perform(client: Locks, invocation: Invocation) -> Reply:
        key: str = invocation.key
        return await (client.acquire(key) if invocation.f == "acquire" else client.release(key))

    def on_key(_key: str, _rng: Random) -> Generator:
        return Competition(settings.hold_ms * 1_000_000, settings.acquires_per_key)

    return Workload(
        name="lock",
        needs=(Locks,),
        operations=by_key(
            on_key,
            rng=options.rng,
            threads_per_key=threads_for(options.clients, settings.threads_per_key),
            operations_per_key=_ENDLESS,
            keys=settings.keys,
        ),
        perform=perform,
        final=None,
        must_hold=(Linearizable(model="fenced-lock", per_key=True),),
        model="fenced-lock",
        functions=("acquire", "release"),
        kept_alive=True,
    )
