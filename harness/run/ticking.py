"""While clients drive: the journal is flushed, and progress is shown."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from quorate.harness.history import Journal
from quorate.harness.run.progress import Counter, Listener, Snapshot

_TICK_S: Final = 0.05
_SHOWN_EVERY: Final = 4  # ticks
_RATED_EVERY: Final = 20


class Ticker:
    """Flushes the journal at every tick, and reports the phase to the listener every few."""

    def __init__(
        self, journal: Journal, counter: Counter, listener: Listener, in_force: Callable[[], Sequence[str]]
    ) -> None:
        self._journal = journal
        self._counter = counter
        self._listener = listener
        self._in_force = in_force

    @contextlib.asynccontextmanager
    async def during(
        self, phase: str, now_ns: Callable[[], int], until_s: float | None = None
    ) -> AsyncIterator[None]:
        """Tick within the block; `until_s` is when the phase will be over, if that is known."""
        task = asyncio.create_task(self._tick(phase, now_ns, until_s), name="tick")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self._journal.flush()

    async def _tick(self, phase: str, now_ns: Callable[[], int], until_s: float | None) -> None:
        turn, rate = 0, 0.0
        while True:
            await asyncio.sleep(_TICK_S)
            self._journal.tick()
            turn += 1
            if turn % _SHOWN_EVERY:
                continue
            now = now_ns()
            if turn % _RATED_EVERY == 0:
                rate = self._counter.rate_per_s(now)
            self._listener(
                Snapshot(
                    phase,
                    operations=self._counter.completed,
                    not_ok=self._counter.not_ok,
                    rate_per_s=rate,
                    fault=", ".join(self._in_force()),
                    left_s=until_s - now / 1e9 if until_s is not None else None,
                )
            )
