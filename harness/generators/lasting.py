"""A load that lasts while something else is still under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from quorate.harness.generators.core import Context, Generator, Pending, Source, Step, generator, soonest
from quorate.harness.history.event import Event

_SECOND_NS: Final = 1_000_000_000
_POLL_NS: Final = 50_000_000


class Lasting(Generator, frozen=True, gc=False):
    """At least for so long; see `at_least`."""

    length_ns: int
    end_ns: int | None
    over: Callable[[], bool]
    child: Generator

    def next(self, ctx: Context) -> Step | None:
        """Ask the child until the end has come and the other thing is over."""
        end = ctx.time_ns + self.length_ns if self.end_ns is None else self.end_ns
        late = ctx.time_ns >= end
        if late and self.over():
            return None
        step = self.child.next(ctx)
        if step is None:
            return None
        decision, child = step
        if isinstance(decision, Pending):
            decision = Pending(soonest(decision.until_ns, ctx.time_ns + _POLL_NS if late else end))
        return decision, Lasting(self.length_ns, end, self.over, child)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the child."""
        child = self.child.update(ctx, event)
        return self if child is self.child else Lasting(self.length_ns, self.end_ns, self.over, child)


def at_least(seconds: float, over: Callable[[], bool], source: Source) -> Generator:
    """Begin operations for so many seconds after it was first asked, and then until `over` says so.

    Not a pure generator: `over` looks at the world. In virtual time it is as repeatable as what it looks at.
    """
    return Lasting(round(seconds * _SECOND_NS), None, over, generator(source))


class Noted(Generator, frozen=True, gc=False):
    """Calls `ended` when its child is exhausted, which is asked only after its last operation has ended."""

    ended: Callable[[], None]
    child: Generator

    def next(self, ctx: Context) -> Step | None:
        """Ask the child."""
        step = self.child.next(ctx)
        if step is None:
            self.ended()
            return None
        return step[0], Noted(self.ended, step[1])

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the child."""
        child = self.child.update(ctx, event)
        return self if child is self.child else Noted(self.ended, child)
