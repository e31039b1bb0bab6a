"""Progress messages of slow steps, such as builds and downloads, to the run that waits for them.

The listener is a context variable: a server is resolved four calls below the run that shows progress, and threads that
copy their context inherit it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Final

Listener = Callable[[str], None]

_AGAIN_S: Final = 5.0
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def report(message: str) -> None:
    """Report what is being made: to the run that waits for it, or on standard error where none does."""
    listener = _listener.get()
    if listener is not None:
        listener(message)
    else:
        print(f"quorate: {message}", file=sys.stderr, flush=True)  # noqa: T201 - a build of minutes must say so


@contextlib.asynccontextmanager
async def listening(listener: Listener, again_s: float = _AGAIN_S) -> AsyncIterator[None]:
    """Pass messages reported inside to `listener`, the last one again every `again_s` with the seconds it has taken.

    So a step of minutes never looks hung. Messages may come from other threads.
    """
    loop = asyncio.get_running_loop()
    last: tuple[str, float] | None = None

    def passed_on(line: str) -> None:
        nonlocal last
        last = (line, loop.time())
        listener(line)

    async def repeat() -> None:
        # Not `until`: it repeats for as long as the task runs.
        while True:
            await asyncio.sleep(again_s)
            if last is not None and (taken := loop.time() - last[1]) >= again_s:
                listener(f"{last[0]}: {taken:.0f} s")

    token = _listener.set(passed_on)
    task = asyncio.create_task(repeat(), name="repeat progress")
    try:
        yield
    finally:
        _listener.reset(token)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
