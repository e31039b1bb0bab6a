"""What a signal does to a run: one ends it early, two give up what is under way, three kill.

SIGINT, SIGTERM and SIGHUP (a closed terminal, a lost ssh session) mean the same. After the first, the load ends, faults
are healed and what was recorded is judged. After the second, whatever is under way is dropped, but the cluster is still
removed and results are still written. The third ends the process at once; the next start removes what it left.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final

from quorate.harness.core import interrupts
from quorate.harness.core.exits import Exit

_END_EARLY: Final = 1
_GIVE_UP: Final = 2


class Interruption:
    """Counts the signals of one run, and passes each on to the phase that is under way."""

    def __init__(self) -> None:
        self.count = 0
        self._pass_on: Callable[[], None] = lambda: None

    @property
    def requested(self) -> bool:
        """Whether the run is to end early."""
        return self.count >= _END_EARLY

    @property
    def given_up(self) -> bool:
        """Whether what is under way is to be dropped."""
        return self.count >= _GIVE_UP

    @contextlib.contextmanager
    def handling(self) -> Iterator[None]:
        """Handle the signals until the block ends. Outside the main thread (a test runner's worker) there are none."""
        before = {}
        for signum in interrupts.ending():
            with contextlib.suppress(ValueError):
                before[signum] = signal.signal(signum, self._signalled)
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    @contextlib.contextmanager
    def passed_to(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call `listener` in the running event loop after each signal, and at once if one came before."""
        loop = asyncio.get_running_loop()

        def pass_on() -> None:
            loop.call_soon_threadsafe(listener)

        self._pass_on = pass_on
        if self.requested:
            listener()
        try:
            yield
        finally:
            self._pass_on = lambda: None

    def _signalled(self, _signum: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count > _GIVE_UP:
            # Not SystemExit: somebody asked three times, and code under way may swallow exceptions.
            os._exit(Exit.INTERRUPTED)
        self._pass_on()
