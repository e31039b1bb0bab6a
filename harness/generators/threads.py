"""Combinators about who: which threads may do what, one generator for each, and waiting for one another."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from quorate.harness.generators import slots
from quorate.harness.generators.core import (
    PENDING,
    Context,
    Generator,
    GeneratorError,
    Offer,
    Pending,
    Sequence_,
    Source,
    Step,
    generator,
    soonest,
)
from quorate.harness.history.event import Event


def _clients(ctx: Context) -> int:
    return (1 << ctx.clients) - 1


def _nemesis(ctx: Context) -> int:
    return 1 << ctx.clients


class OnThreads(Generator, frozen=True, gc=False):
    """Only on some threads; see `on_threads`, `on_clients`, `on_nemesis`."""

    threads: Callable[[Context], int]
    child: Generator

    def next(self, ctx: Context) -> Step | None:
        """Ask the child where one of its threads is free; where it has no thread at all, it is exhausted."""
        mine = self.threads(ctx)
        if not ctx.free & mine:
            return (PENDING, self) if ctx.everyone & mine else None
        step = self.child.next(ctx.restrict(mine))
        return None if step is None else (step[0], OnThreads(self.threads, step[1]))

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the child with what its threads did only."""
        mine = self.threads(ctx)
        if not mine >> ctx.thread(event.process) & 1:
            return self
        child = self.child.update(ctx.restrict(mine), event)
        return self if child is self.child else OnThreads(self.threads, child)


def on_threads(threads: Callable[[Context], int], source: Source) -> Generator:
    """Run the source only on the threads in the bit set that the function returns for a context."""
    return OnThreads(threads, generator(source))


def on_clients(source: Source) -> Generator:
    """Run the source on client threads only."""
    return OnThreads(_clients, generator(source))


def on_nemesis(source: Source) -> Generator:
    """Run the source on the nemesis only."""
    return OnThreads(_nemesis, generator(source))


class AnyOf(Generator, frozen=True, gc=False):
    """Whichever has something to do; see `any_of`."""

    members: tuple[Generator, ...]
    turn: int

    def next(self, ctx: Context) -> Step | None:
        """Ask in a circle from whose turn it is; the first offer wins and passes the turn on."""
        members = self.members
        until: int | None = None
        ended: set[int] = set()
        for ahead in range(len(members)):
            i = (self.turn + ahead) % len(members)
            step = members[i].next(ctx)
            if step is None:
                ended.add(i)
                continue
            decision, child = step
            if child is not members[i]:
                members = (*members[:i], child, *members[i + 1 :])
            if isinstance(decision, Offer):
                left = AnyOf(members, (i + 1) % len(members))
                return decision, left.without(ended)
            until = soonest(until, decision.until_ns)
        if len(ended) == len(members):
            return None
        return PENDING if until is None else Pending(until), AnyOf(members, self.turn).without(ended)

    def without(self, ended: set[int]) -> AnyOf:
        """Return it without the members that are exhausted."""
        if not ended:
            return self
        kept = tuple(member for i, member in enumerate(self.members) if i not in ended)
        return AnyOf(kept, (self.turn - sum(i < self.turn for i in ended)) % len(kept))

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update all of them."""
        members = tuple([member.update(ctx, event) for member in self.members])
        same = all(old is new for old, new in zip(self.members, members, strict=True))
        return self if same else AnyOf(members, self.turn)


def any_of(*sources: Source) -> Generator:
    """Take the next operation from whichever source has one now; they take turns where several have."""
    return AnyOf(tuple(generator(source) for source in sources), 0) if sources else generator(())


class _Block(msgspec.Struct, frozen=True, gc=False):
    low: int
    high: int | None  # None: all other clients

    def __call__(self, ctx: Context) -> int:
        """Count among the clients that there are here: within another block these are not all."""
        here = ctx.everyone & _clients(ctx)
        count = here.bit_count()
        high = count if self.high is None else min(self.high, count)
        block = (1 << max(high, self.low)) - (1 << self.low)
        first = (here & -here).bit_length() - 1 if here else 0
        if here >> first == (1 << count) - 1:
            return block << first
        threads = [thread for thread in range(here.bit_length()) if here >> thread & 1]
        return sum(1 << thread for place, thread in enumerate(threads) if block >> place & 1)


def reserve(*blocks: tuple[int, Source], rest: Source | None = None) -> Generator:
    """Give each source its own client threads: `reserve((5, writes), (2, cas), rest=reads)`.

    The first 5 clients run `writes`, the next 2 `cas`, and all others `rest`. Within another block, they are counted
    among the clients of that.
    """
    members: list[Source] = []
    low = 0
    for count, source in blocks:
        if count <= 0:
            raise GeneratorError(f"reserve: a block of {count} threads cannot be")
        members.append(OnThreads(_Block(low, low + count), generator(source)))
        low += count
    if rest is not None:
        members.append(OnThreads(_Block(low, None), generator(rest)))
    return any_of(*members)


class PerThread(Generator, frozen=True, gc=False):
    """A copy for each thread, or for each process; see `per_thread` and `per_process`.

    A slot holds the process that its copy serves. Asking costs O(1) while the copies of free threads have something
    to do, and O(free threads) where they are pending.
    """

    original: Generator
    fresh_for_process: bool
    copies: slots.Slots[tuple[int | str, Generator] | None]
    ended: int

    def next(self, ctx: Context) -> Step | None:
        """Ask the copies of free threads, from the cursor on, until one offers."""
        state = self
        until: int | None = None
        asked = ctx.restrict(~self.over(ctx))
        while asked.free:
            thread = asked.pick()
            asked.free &= ~(1 << thread)
            step = state.copy_for(ctx, thread).next(ctx.restrict(1 << thread))
            if step is None:
                state = state.with_copy(ctx, thread, None)
                continue
            decision, child = step
            state = state.with_copy(ctx, thread, child)
            if isinstance(decision, Offer):
                return decision, state
            until = soonest(until, decision.until_ns)
        if not ctx.everyone & ~state.over(ctx):
            return None
        return PENDING if until is None else Pending(until), state

    def over(self, ctx: Context) -> int:
        """Return the threads whose copy has ended; with copies per process, a new process reopens its thread."""
        ended = self.ended
        left = ended & ctx.free if self.fresh_for_process else 0
        while left:
            thread = (left & -left).bit_length() - 1
            left &= left - 1
            held = slots.get(self.copies, thread)
            if held is None or held[0] != ctx.process(thread):
                ended &= ~(1 << thread)
        return ended

    def copy_for(self, ctx: Context, thread: int) -> Generator:
        """Return what the thread is to be asked for: its copy, or a fresh one."""
        if thread >> 5 >= len(self.copies):
            return self.original
        held = slots.get(self.copies, thread)
        if held is None or (self.fresh_for_process and held[0] != ctx.process(thread)):
            return self.original
        return held[1]

    def with_copy(self, ctx: Context, thread: int, child: Generator | None) -> PerThread:
        """Return the state with a thread's copy replaced; None: it is exhausted."""
        copies = self.copies or slots.filled(ctx.clients + 1, None)
        bit = 1 << thread
        ended = self.ended | bit if child is None else self.ended & ~bit
        held = (ctx.process(thread), generator(()) if child is None else child)
        return PerThread(self.original, self.fresh_for_process, slots.put(copies, thread, held), ended)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the copy of the thread that did it."""
        thread = ctx.thread(event.process)
        held = slots.get(self.copies, thread) if self.copies else None
        if held is None or (self.fresh_for_process and held[0] != event.process):
            return self
        child = held[1].update(ctx.restrict(1 << thread), event)
        if child is held[1]:
            return self
        copies = slots.put(self.copies, thread, (held[0], child))
        return PerThread(self.original, self.fresh_for_process, copies, self.ended)


def per_thread(source: Source) -> Generator:
    """Run an independent copy of the source on each thread."""
    return PerThread(generator(source), fresh_for_process=False, copies=(), ended=0)


def per_process(source: Source) -> Generator:
    """Run an independent copy of the source for each process: a thread whose process is retired begins anew."""
    return PerThread(generator(source), fresh_for_process=True, copies=(), ended=0)


class Synchronize(Generator, frozen=True, gc=False):
    """First wait for everyone; see `synchronize`."""

    child: Generator

    def next(self, ctx: Context) -> Step | None:
        """Become the child once every thread is free."""
        return self.child.next(ctx) if ctx.free == ctx.everyone else (PENDING, self)


def synchronize(source: Source) -> Generator:
    """Wait until every thread is free (a barrier), then run the source."""
    return Synchronize(generator(source))


def phases(*sources: Source) -> Generator:
    """Run each source until it is exhausted and all its operations have ended, then the next."""
    members = tuple(Synchronize(generator(source)) for source in sources)
    return Sequence_(members[0], members[1:]) if members else generator(())
