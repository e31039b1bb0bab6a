"""A track: a generator, the threads it may use, and the timer for the moment it waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from quorate.harness.core.outcome import Broken
from quorate.harness.generators import Context, Generator, Invocation, Offer
from quorate.harness.generators.core import blame
from quorate.harness.history.event import Event


class Track:
    """Asks one generator for its threads, and hands out what it offers.

    The generator is asked when a thread becomes free, and at the moment for which it waits. `give(thread,
    invocation)` gets what it decides, `exhausted()` is called once.
    """

    def __init__(
        self,
        generator: Generator,
        ctx: Context,
        *,
        now_ns: Callable[[], int],
        give: Callable[[int, Invocation], None],
        exhausted: Callable[[Track], None],
        failed: Callable[[Broken], None],
    ) -> None:
        self.generator = generator
        self.ctx = ctx
        self.done = False
        self._now_ns = now_ns
        self._give = give
        self._exhausted = exhausted
        self._failed = failed
        self._turn = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = -1

    @property
    def waiting(self) -> bool:
        """Whether it waits for a moment that will come."""
        return self._timer is not None

    def free(self, thread: int) -> None:
        """Take note that the thread can do something, and ask."""
        self.ctx.free |= 1 << thread
        self._ask(thread)

    def update(self, event: Event) -> None:
        """Update the generator with how an operation ended, and ask again where that changed its mind."""
        ctx, old = self.ctx, self.generator
        ctx.time_ns = event.time
        try:
            self.generator = old.update(ctx, event)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a generator raises stops the run and is named
            self._failed(blame(old, ctx, error))
            return
        if self.generator is not old and ctx.free:
            self._ask(self._turn)

    def end(self) -> None:
        """Offer nothing any more."""
        if not self.done:
            self.done = True
            self._disarm()
            self._exhausted(self)

    def _ask(self, cursor: int) -> None:
        ctx = self.ctx
        ctx.cursor = cursor
        while ctx.free and not self.done:
            ctx.time_ns = self._now_ns()
            try:
                step = self.generator.next(ctx)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
                self._failed(blame(self.generator, ctx, error))
                return
            if step is None:
                self.end()
                return
            decision, self.generator = step
            if isinstance(decision, Offer):
                thread = decision.thread
                assert ctx.free >> thread & 1, "a generator offered to a thread that is not free"
                ctx.free &= ~(1 << thread)
                ctx.cursor = self._turn = thread + 1
                self._give(thread, decision.invocation)
            else:
                self._arm(decision.until_ns)
                return

    def _arm(self, until_ns: int | None) -> None:
        if until_ns is None:
            self._disarm()
        elif self._timer is None or until_ns != self._timer_ns:
            self._disarm()
            # A microsecond late rather than early: too early means asking in vain and waiting again.
            wait_s = max(0, until_ns - self._now_ns()) / 1e9 + 1e-6
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._due)
            self._timer_ns = until_ns

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        self._ask(self._turn)
