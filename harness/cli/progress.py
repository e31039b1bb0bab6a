"""Live progress: one line that renews itself on a terminal, a plain line every few seconds in a CI log."""

from __future__ import annotations

import sys
import time
from typing import Final

from quorate.harness.cli import screen
from quorate.harness.run.progress import Snapshot
from quorate.reports.words import cut

_TERMINAL_EVERY_S: Final = 0.2
_LOG_EVERY_S: Final = 5.0


class Progress:
    """Prints snapshots of a run to stderr; drops counts of operations that come too soon after the last."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self._terminal = screen.live(sys.stderr)
        self._last_s = 0.0
        self._phase = ""
        self._open_line = False

    def __call__(self, snapshot: Snapshot) -> None:
        """Show it, if it is time to."""
        if self._silent:
            return
        now_s = time.monotonic()
        news = snapshot.phase != self._phase
        due = _TERMINAL_EVERY_S if self._terminal else _LOG_EVERY_S
        if not news and snapshot.operations is not None and now_s - self._last_s < due:
            return
        if news and self._open_line:
            self._end_line()
        self._phase, self._last_s = snapshot.phase, now_s
        if self._terminal and snapshot.operations is not None:
            # A line that wraps could not be renewed; what is cut is the fault's name, at its end.
            sys.stderr.write(f"\r\x1b[K{cut(_line(snapshot), screen.width() - 1)}")
            self._open_line = True
        else:
            sys.stderr.write(_line(snapshot) + "\n")
        sys.stderr.flush()

    def _end_line(self) -> None:
        sys.stderr.write("\n")
        self._open_line = False

    def close(self) -> None:
        """Leave the cursor on a fresh line."""
        if self._open_line:
            self._end_line()


def _line(snapshot: Snapshot) -> str:
    words = [f"{snapshot.phase:<10}"]
    if snapshot.operations is not None:
        words.append(
            f"{snapshot.operations:>8} ops {snapshot.rate_per_s:>7.0f}/s {snapshot.not_ok:>6} not ok"
        )
        if snapshot.left_s is not None:
            words.append(f"{max(snapshot.left_s, 0):>5.0f} s left")
        words.append(f"fault: {snapshot.fault}" if snapshot.fault else "")
    if snapshot.text:
        words.append(snapshot.text)
    return "  ".join(word for word in words if word).rstrip()
