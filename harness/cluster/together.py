"""Do several things at once, and never leave one running behind one's back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")

_WAIT_S = 90.0  # above the deadline of every call that makes something


async def together(works: Iterable[Awaitable[T]]) -> list[T]:
    """Await all to their ends and return their results; then raise the first error, or the cancellation.

    What makes things must come to its end before what removes them starts, also when the user presses Ctrl-C: calls
    that run on threads cannot be called back.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    if not tasks:
        return []
    try:
        await asyncio.shield(asyncio.wait(tasks))
    except asyncio.CancelledError:
        await asyncio.wait(tasks, timeout=_WAIT_S)
        _look_at_errors(tasks)
        raise
    _look_at_errors(tasks)
    return [task.result() for task in tasks]


def _look_at_errors(tasks: Iterable[asyncio.Future[T]]) -> None:
    """Only the first error is raised: asyncio must not complain about the others."""
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()
