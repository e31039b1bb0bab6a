"""Run a generator in virtual time, without threads, clients or an event loop: for tests and for a look at a stream."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TypeAlias

from quorate.harness.generators.core import Context, Invocation, Pending, Source, blame, generator
from quorate.harness.generators.draws import Draws
from quorate.harness.history.event import NEMESIS, Event, Type

Perform: TypeAlias = Callable[[Invocation, Draws], tuple[int, str]]


def perfect(_invocation: Invocation, _draws: Draws) -> tuple[int, str]:
    """Every operation takes 10 ms and is ok."""
    return 10_000_000, Type.OK


def imperfect(_invocation: Invocation, draws: Draws) -> tuple[int, str]:
    """Operations take up to 20 ms; a third each is ok, fail and info."""
    return draws.below(20_000_000), draws.pick((Type.OK, Type.FAIL, Type.INFO))


def simulate(
    source: Source,
    *,
    clients: int = 3,
    perform: Perform = perfect,
    seed: int = 0,
    events_max: int = 100_000,
    nemesis: bool = False,
) -> list[Event]:
    """Return the events of running the source to its end, or to `events_max`.

    `perform` says how many nanoseconds an operation takes and how it ends. A generator that waits for ever is left.
    """
    run = _Simulation(source, clients, perform, seed, nemesis=nemesis)
    while len(run.events) < events_max and run.step():
        pass
    return run.events


class _Simulation:
    def __init__(self, source: Source, clients: int, perform: Perform, seed: int, *, nemesis: bool) -> None:
        everyone = (1 << clients + nemesis) - 1
        processes = list(range(clients))
        self.generator = generator(source)
        self.perform = perform
        self.seed = seed
        self.events: list[Event] = []
        self.ends: list[tuple[int, int, Event, str]] = []
        self.ctx = Context(time_ns=0, free=everyone, everyone=everyone, processes=processes, clients=clients)
        self.processes = processes

    def step(self) -> bool:
        """Do what comes next; False: nothing does."""
        ctx = self.ctx
        until: int | None = None
        if ctx.free:
            try:
                step = self.generator.next(ctx)
            except Exception as error:
                raise blame(self.generator, ctx, error) from error
            if step is None:
                return self._end_one(None)
            decision, self.generator = step
            if not isinstance(decision, Pending):
                self._begin(decision.thread, decision.invocation)
                return True
            until = decision.until_ns
        return self._end_one(until)

    def _begin(self, thread: int, invocation: Invocation) -> None:
        ctx = self.ctx
        assert ctx.free >> thread & 1, f"thread {thread} is not free"
        index = len(self.events)
        process = ctx.process(thread)
        event = Event(
            index, ctx.time_ns, process, Type.INVOKE, invocation.f, invocation.key, invocation.value
        )
        self.events.append(event)
        took, outcome = self.perform(invocation, Draws(self.seed, index))
        heapq.heappush(self.ends, (ctx.time_ns + took, index, event, outcome))
        ctx.free &= ~(1 << thread)
        ctx.cursor = thread + 1

    def _end_one(self, until: int | None) -> bool:
        """Let time pass to the next end of an operation or to `until`, whichever is first."""
        ctx = self.ctx
        if not self.ends or (until is not None and until < self.ends[0][0]):
            if until is None:
                return False
            assert until > ctx.time_ns, f"pending until {until}, which is not later than {ctx.time_ns}"
            ctx.time_ns = until
            return True
        ctx.time_ns, _, begun, outcome = heapq.heappop(self.ends)
        thread = ctx.thread(begun.process)
        event = Event(
            len(self.events), ctx.time_ns, begun.process, outcome, begun.f, begun.key, begun.value,
            index_of_invoke=begun.index,
        )  # fmt: skip
        self.events.append(event)
        if outcome == Type.INFO and begun.process != NEMESIS:
            self.processes[thread] += ctx.clients
        try:
            self.generator = self.generator.update(ctx, event)
        except Exception as error:
            raise blame(self.generator, ctx, error) from error
        ctx.free |= 1 << thread
        return True
