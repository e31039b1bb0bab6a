"""Combinators about time. All times are the context's: they run in virtual time as well."""

from __future__ import annotations

from random import Random
from typing import ClassVar, Final

from quorate.harness.generators.core import (
    Context,
    Generator,
    GeneratorError,
    Offer,
    Pending,
    Source,
    Step,
    generator,
    soonest,
)
from quorate.harness.generators.draws import advance, output, seed_of
from quorate.harness.history.event import Event

_SECOND_NS: Final = 1_000_000_000
_LAG_FORGIVEN_NS: Final = _SECOND_NS


class TimeLimit(Generator, frozen=True, gc=False):
    """Only for so long; see `time_limit`."""

    length_ns: int
    end_ns: int | None
    child: Generator

    def next(self, ctx: Context) -> Step | None:
        """Ask the child until the end, which is set when it is first asked."""
        end = ctx.time_ns + self.length_ns if self.end_ns is None else self.end_ns
        if ctx.time_ns >= end:
            return None
        step = self.child.next(ctx)
        if step is None:
            return None
        decision, child = step
        if isinstance(decision, Pending):
            decision = Pending(soonest(decision.until_ns, end))
        return decision, TimeLimit(self.length_ns, end, child)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the child."""
        child = self.child.update(ctx, event)
        return self if child is self.child else TimeLimit(self.length_ns, self.end_ns, child)


def time_limit(seconds: float, source: Source) -> Generator:
    """Begin no operation of the source later than so many seconds after it was first asked."""
    return TimeLimit(round(seconds * _SECOND_NS), None, generator(source))


class Paced(Generator, frozen=True, gc=False):
    """Operations at moments of a schedule; see `stagger` and `delay`. `state` is 0 where gaps are fixed."""

    FORGIVEN_NS: ClassVar[int] = _LAG_FORGIVEN_NS
    gap_ns: int
    due_ns: int | None
    state: int
    child: Generator

    def next(self, ctx: Context) -> Step | None:
        """Wait for the moment, then ask the child; the next moment follows from this one, not from the clock."""
        now = ctx.time_ns
        due = now if self.due_ns is None else self.due_ns
        if now < due:
            return Pending(due), self
        step = self.child.next(ctx)
        if step is None:
            return None
        decision, child = step
        if type(decision) is not Offer:
            return decision, Paced(self.gap_ns, due, self.state, child)
        state, gap = self.state, self.gap_ns
        if state:
            gap = 2 * gap * output(state) >> 32
            state = advance(state) | 1
        behind = now - _LAG_FORGIVEN_NS
        return decision, Paced(self.gap_ns, max(behind, due) + gap, state, child)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the child."""
        child = self.child.update(ctx, event)
        return self if child is self.child else Paced(self.gap_ns, self.due_ns, self.state, child)


def stagger(rate: float, source: Source, rng: Random) -> Generator:
    """Do `rate` operations per second in all, at random moments: gaps are uniform from nothing to twice the mean.

    The moments form a schedule, so the total rate is exact as long as free threads keep up; a schedule that fell
    behind catches up, but forgives what is more than one second late, lest a long outage end in a flood. A rate of
    0 means as fast as possible.
    """
    if rate < 0:
        raise GeneratorError(f"stagger: a rate of {rate} operations per second cannot be")
    child = generator(source)
    return child if rate == 0 else Paced(round(_SECOND_NS / rate), None, seed_of(rng) | 1, child)


def delay(seconds: float, source: Source) -> Generator:
    """Leave so many seconds from one operation's start to the next one's, in all and not per thread.

    Late ones catch up as in `stagger`.
    """
    return Paced(round(seconds * _SECOND_NS), None, 0, generator(source))


class Sleep(Generator, frozen=True, gc=False):
    """Nothing for a while; see `sleep`."""

    length_ns: int
    end_ns: int | None

    def next(self, ctx: Context) -> Step | None:
        """Wait until the end, which is set when it is first asked."""
        end = ctx.time_ns + self.length_ns if self.end_ns is None else self.end_ns
        return None if ctx.time_ns >= end else (Pending(end), Sleep(self.length_ns, end))


def sleep(seconds: float) -> Generator:
    """Do nothing for so long: a pause in a `sequence`. It occupies no thread and leaves no event."""
    return Sleep(round(seconds * _SECOND_NS), None)
