"""Blocking calls of a library, in their own thread, under a deadline that the library does not know of."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from quorate.harness.systems.zookeeper.client import outcomes

T = TypeVar("T")
Call: TypeAlias = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


class Worker:
    """One thread that runs calls one after another; the event loop is never blocked.

    A call that is late continues in its thread. Nothing is begun before it has come back: the next call waits for that,
    and is refused if it waits in vain. The thread is a daemon: a call that never comes back keeps no process alive.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._running: asyncio.Future[Any] | None = None

    async def run(self, call: Callable[[], T], deadline: float) -> T:
        """Return what the call returns, or raise what it raises; `TimeoutError` at the deadline of the loop's clock."""
        loop = asyncio.get_running_loop()
        if self._running is not None and not self._running.done():
            await asyncio.wait((self._running,), timeout=deadline - loop.time())
            if not self._running.done():
                raise outcomes.not_connected("an earlier call has not come back yet")
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._running = done = loop.create_future()
        done.add_done_callback(_heard)
        self._calls.put((call, loop, done))
        async with asyncio.timeout_at(deadline):
            return await asyncio.shield(done)

    def close(self) -> None:
        """End the thread once its call has come back."""
        self._calls.put(None)

    def _work(self) -> None:
        while (given := self._calls.get()) is not None:
            call, loop, done = given
            result, error = None, None
            try:
                result = call()
            except Exception as raised:  # noqa: BLE001 - handed to who asked
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(_end, done, result, error)


def _end(done: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if done.done():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(result)


def _heard(done: asyncio.Future[Any]) -> None:
    """Drop what a late call raised: no caller may be waiting for it any more."""
    if not done.cancelled():
        done.exception()
