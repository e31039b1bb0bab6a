"""Which signals end a command, and how: all of them as Ctrl-C does."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


def ending() -> tuple[signal.Signals, ...]:
    """Return the signals that end a command: SIGINT, SIGTERM, and SIGHUP unless `nohup` has it ignored."""
    always = (signal.SIGINT, signal.SIGTERM)
    return always if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*always, signal.SIGHUP)


def end_like_ctrl_c() -> None:
    """Let each of them raise KeyboardInterrupt.

    A shell that is not interactive starts `quorate … &` with SIGINT ignored, and children inherit that: a campaign
    could not be ended, nor end its runs.
    """
    for signum in ending():
        signal.signal(signum, signal.default_int_handler if signum is signal.SIGINT else _interrupt)


@contextlib.contextmanager
def as_one() -> Iterator[None]:
    """Let SIGTERM and a closed terminal cancel an event loop as Ctrl-C does, so that what is known is still written.

    `asyncio.run` takes Ctrl-C over, and only where SIGINT has Python's own handler. Outside the main thread nothing is
    changed: signals do not come there.
    """
    before = {}
    for signum in ending():
        with contextlib.suppress(ValueError):
            before[signum] = signal.signal(
                signum, signal.default_int_handler if signum is signal.SIGINT else _as_ctrl_c
            )
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _as_ctrl_c(*_: object) -> None:
    signal.raise_signal(signal.SIGINT)
