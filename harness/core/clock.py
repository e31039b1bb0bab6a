"""Time behind an object, and an event loop whose time is virtual.

The same runner, faults and clients run in real time against servers and in virtual time against the simulated
system: `run_virtual` jumps to the next timer whenever nothing is left to do now, so that minutes pass in milliseconds
and every run with the same seed takes the same course.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, Final, Protocol, TypeVar

T = TypeVar("T")
_TURN_NS: Final = 1_000
_THREAD_POLL_S: Final = 0.05
_LEFTOVER_PATIENCE_S: Final = 2.0


class Clock(Protocol):
    """Where the time comes from."""

    def now_ns(self) -> int:
        """Return nanoseconds on a monotonic scale of which only differences mean anything."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds on this clock."""
        ...


async def until(
    probe: Callable[[], Awaitable[T]], enough: Callable[[T], bool], *, deadline_s: float, poll_s: float
) -> T:
    """Ask until the answer is enough, and return it; the last answer where none was by the deadline.

    Asked at once, and a last time at the deadline or soon after it; a probe that hangs is not interrupted.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline_s
    while True:
        found = await probe()
        if enough(found) or loop.time() >= end:
            return found
        await asyncio.sleep(poll_s)


def until_blocking(
    probe: Callable[[], T], enough: Callable[[T], bool], *, deadline_s: float, poll_s: float
) -> T:
    """As `until`, in a thread that may block."""
    end = time.monotonic() + deadline_s
    while True:
        found = probe()
        if enough(found) or time.monotonic() >= end:
            return found
        time.sleep(poll_s)


class RealClock:
    """CLOCK_MONOTONIC, the same on all processes of a host."""

    now_ns = staticmethod(time.monotonic_ns)

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(seconds)


class VirtualClock:
    """The time of a virtual event loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.now_ns: Callable[[], int] = loop.time_ns

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop, which jumps."""
        await asyncio.sleep(seconds)


class StuckError(RuntimeError):
    """In virtual time nothing can ever happen again: every task waits, and no timer is set."""


class _JumpingSelector(selectors.DefaultSelector):
    """Lets virtual time pass where a real one would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.loop: VirtualLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self.loop
        assert loop is not None
        if loop.threads_at_work:
            return super().select(_THREAD_POLL_S if timeout is None else min(timeout, _THREAD_POLL_S))
        found = super().select(0)
        if not found:
            if timeout is None:
                raise StuckError("every task waits and no timer is set")
            loop.pass_time(math.ceil(max(timeout, 0.0) * 1e9))
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits. Time stands still while a thread of its executor is at work.

    Each turn of the loop takes a microsecond of virtual time, so that a busy loop sees time pass as well.
    """

    def __init__(self) -> None:
        selector = _JumpingSelector()
        self._now_ns = 0
        self.threads_at_work = 0
        super().__init__(selector)
        selector.loop = self
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return self._now_ns / 1e9

    def time_ns(self) -> int:
        """Return virtual nanoseconds since the loop was made."""
        return self._now_ns

    def pass_time(self, length_ns: int) -> None:
        """Jump ahead by this and a turn's microsecond."""
        self._now_ns += length_ns + _TURN_NS

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run in a real thread; virtual time waits for it."""
        self.threads_at_work += 1
        future: asyncio.Future[T] = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _future: asyncio.Future[Any]) -> None:
        self.threads_at_work -= 1


def clock_of(loop: asyncio.AbstractEventLoop) -> Clock:
    """Return the clock that goes with an event loop."""
    return VirtualClock(loop) if isinstance(loop, VirtualLoop) else RealClock()


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time; raise `StuckError` if it comes to wait for nothing."""
    return run_on(VirtualLoop(), main)


def run_real(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in real time, like `asyncio.run`, but end even if a client's task ignores cancellation."""
    return run_on(asyncio.new_event_loop(), main)


def run_on(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, T]) -> T:
    """Run on this loop and close it; tasks that are left are cancelled, and given two seconds to see it."""
    task = loop.create_task(main)
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(task)
    finally:
        try:
            _cancel_leftovers(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def _cancel_leftovers(loop: asyncio.AbstractEventLoop) -> None:
    left = asyncio.all_tasks(loop)
    if not left:
        return
    # A task that never ends must not print a warning from the garbage collector at exit.
    loop.set_exception_handler(_forget)
    for task in left:
        task.cancel()
    loop.run_until_complete(asyncio.wait(left, timeout=_LEFTOVER_PATIENCE_S))


def _forget(_loop: asyncio.AbstractEventLoop, _context: Mapping[str, Any]) -> None:
    return
