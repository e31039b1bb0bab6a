"""What takes long says so: builds and downloads tell whoever waits for them, wherever in the call tree they are made.

The listener travels in a context variable, for a server is resolved four calls below the run that shows progress, and
threads that copy their context take it along.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Final

Hearer = Callable[[str], None]

_AGAIN_S: Final = 5.0
_hearer: ContextVar[Hearer | None] = ContextVar("hearer", default=None)


def tell(line: str) -> None:
    """Say what is being made: to the run that waits for it, or on standard error where no run does."""
    hearer = _hearer.get()
    if hearer is not None:
        hearer(line)
    else:
        print(f"quorate: {line}", file=sys.stderr, flush=True)  # noqa: T201 - a build of minutes must say so


@contextlib.asynccontextmanager
async def heard(hearer: Hearer, again_s: float = _AGAIN_S) -> AsyncIterator[None]:
    """Let `hearer` have every line told inside, the last one again every `again_s` with the seconds it has taken.

    So that what takes minutes never looks hung. Lines may come from other threads.
    """
    loop = asyncio.get_running_loop()
    last: tuple[str, float] | None = None

    def hear(line: str) -> None:
        nonlocal last
        last = (line, loop.time())
        hearer(line)

    async def repeat() -> None:
        while True:
            await asyncio.sleep(again_s)
            if last is not None and (taken := loop.time() - last[1]) >= again_s:
                hearer(f"{last[0]}: {taken:.0f} s")

    token = _hearer.set(hear)
    task = asyncio.create_task(repeat(), name="told again")
    try:
        yield
    finally:
        _hearer.reset(token)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
