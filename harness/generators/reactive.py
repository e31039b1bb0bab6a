"""Combinators that react to how operations ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from quorate.harness.generators.core import (
    PENDING,
    Context,
    Generator,
    Invocation,
    Offer,
    Pending,
    Source,
    Step,
    blame,
    generator,
)
from quorate.harness.history.event import Event, Type


class UntilOk(Generator, frozen=True, gc=False):
    """Until one succeeds; see `until_ok`."""

    child: Generator
    active: int
    done: bool

    def next(self, ctx: Context) -> Step | None:
        """Ask the child, and remember which threads do its operations."""
        if self.done:
            return None
        step = self.child.next(ctx)
        if step is None:
            return None
        decision, child = step
        active = self.active | 1 << decision.thread if isinstance(decision, Offer) else self.active
        return decision, UntilOk(child, active, done=False)

    def update(self, ctx: Context, event: Event) -> Generator:
        """End where one of its operations is ok; update the child."""
        bit = 1 << ctx.thread(event.process)
        mine = self.active & bit
        child = self.child.update(ctx, event)
        if not mine:
            return self if child is self.child else UntilOk(child, self.active, self.done)
        return UntilOk(child, self.active & ~bit, self.done or event.type == Type.OK)


def until_ok(source: Source) -> Generator:
    """Do the source's operations until one of them is ok."""
    return UntilOk(generator(source), 0, done=False)


class OnUpdate(Generator, frozen=True, gc=False):
    """A handler for completions; see `on_update`."""

    handler: Callable[[Generator, Context, Event], Generator]
    child: Generator

    def next(self, ctx: Context) -> Step | None:
        """Ask the child."""
        step = self.child.next(ctx)
        return None if step is None else (step[0], OnUpdate(self.handler, step[1]))

    def update(self, ctx: Context, event: Event) -> Generator:
        """Let the handler say what the child becomes."""
        try:
            child = self.handler(self.child, ctx, event)
        except Exception as error:
            raise blame(self, ctx, error) from error
        return self if child is self.child else OnUpdate(self.handler, child)


def on_update(handler: Callable[[Generator, Context, Event], Generator], source: Source) -> Generator:
    """Run the source; at each completion `handler(generator, ctx, event)` returns the generator to continue with.

    The handler stands in place of the source's own `update`; it may call that.
    """
    return OnUpdate(handler, generator(source))


class Reactive(Generator, frozen=True, gc=False):
    """A state machine; see `reactive`."""

    state: Any
    decide: Callable[[Any, Context], tuple[Invocation | Pending | None, Any]]
    react: Callable[[Any, Context, Event], Any]

    def next(self, ctx: Context) -> Step | None:
        """Call `decide`."""
        try:
            decision, state = self.decide(self.state, ctx)
        except Exception as error:
            raise blame(self, ctx, error) from error
        if decision is None:
            return None
        new = self if state is self.state else Reactive(state, self.decide, self.react)
        return (Offer(decision, ctx.pick()) if isinstance(decision, Invocation) else decision), new

    def update(self, ctx: Context, event: Event) -> Generator:
        """Call `react`."""
        try:
            state = self.react(self.state, ctx, event)
        except Exception as error:
            raise blame(self, ctx, error) from error
        return self if state is self.state else Reactive(state, self.decide, self.react)


def reactive(
    state: Any,
    decide: Callable[[Any, Context], tuple[Invocation | Pending | None, Any]],
    react: Callable[[Any, Context, Event], Any],
) -> Generator:
    """Decide from a state that completions change; both functions are pure.

    `decide(state, ctx)` returns an invocation, `Pending`, or None (exhausted), and the new state;
    `react(state, ctx, event)` returns the state after a completion.
    """
    return Reactive(state, decide, react)


class Retrying(Generator, frozen=True, gc=False):
    """Each until it is ok; see `retrying`."""

    waiting: tuple[tuple[Invocation, int], ...]
    running: tuple[tuple[int, Invocation, int], ...]

    def next(self, ctx: Context) -> Step | None:
        """Offer the first that waits; exhausted once nothing waits and nothing that may fail is running."""
        if not self.waiting:
            return (PENDING, self) if self.running else None
        (invocation, left), *rest = self.waiting
        thread = ctx.pick()
        running = (*self.running, (thread, invocation, left - 1))
        return Offer(invocation, thread), Retrying(tuple(rest), running)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Put an operation that was not ok at the end of the queue while it has tries left."""
        thread = ctx.thread(event.process)
        for i, (runner, invocation, left) in enumerate(self.running):
            if runner == thread:
                running = (*self.running[:i], *self.running[i + 1 :])
                again = event.type != Type.OK and left > 0
                return Retrying((*self.waiting, (invocation, left)) if again else self.waiting, running)
        return self


def retrying(invocations: Iterable[Invocation], tries: int) -> Generator:
    """Do every invocation until it is ok, at most `tries` times each, as many at once as threads are free.

    Costs O(number of invocations) for each operation: meant for final reads, not for load.
    """
    return Retrying(tuple((invocation, tries) for invocation in invocations), ())


class Deferred(Generator, frozen=True, gc=False):
    """Made late; see `deferred`."""

    make: Callable[[], Source]

    def next(self, ctx: Context) -> Step | None:
        """Build the generator, and take its first step."""
        try:
            made = generator(self.make())
        except Exception as error:
            raise blame(self, ctx, error) from error
        return made.next(ctx)


def deferred(make: Callable[[], Source]) -> Generator:
    """Call the function for a generator when it is first asked, as for final reads of keys that a run came to use."""
    return Deferred(make)
