"""One checker at work, watched from outside: if it raises, exits or never ends, only its own verdict is lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

import msgspec

from quorate.harness.core.verdict import Checker, Limits, Result, Verdict
from quorate.harness.history import History, HistoryError

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.1
# A checker keeps its limits itself and is precise to a second or so; reading the history is not on its account.
_GRACE_S: Final = 15.0


class _Watched:
    """A checker in its own thread; the thread is left behind where it does not end."""

    def __init__(self, checker: Checker, history: History, limits: Limits) -> None:
        self._checker = checker
        self._history = history
        self._limits = limits
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._check, name=f"check {checker.name}", daemon=True)

    def _check(self) -> None:
        begun, cpu = time.monotonic(), time.process_time()
        try:
            result = self._checker.check(self._history, self._limits)
            if not isinstance(result, Result):
                raise TypeError(f"it returned {type(result).__name__}, not a Result")  # noqa: TRY301 - reported as any other
        except BaseException as error:  # noqa: BLE001 - it may be a user's code, and `sys.exit` is not a verdict
            self.error = error
            return
        if not result.time_s:
            result = msgspec.structs.replace(
                result,
                time_s=round(time.monotonic() - begun, 4),
                cpu_s=round(time.process_time() - cpu, 4),
            )
        self.result = result


def check_within(
    checker: Checker, history: History, limits: Limits, interrupted: Callable[[], bool] = lambda: False
) -> Result:
    """Check under the limits, enforced from outside; whatever goes wrong is `unknown` with the reason.

    Raises `HistoryError` where the history itself cannot be read, as no other checker could judge it either.
    """
    watched = _Watched(checker, history, limits)
    watched.thread.start()
    end = time.monotonic() + limits.time_s + _GRACE_S
    while watched.thread.is_alive() and time.monotonic() < end and not interrupted():
        watched.thread.join(_LOOK_S)
    reason = _why_not(watched, limits)
    if reason is None:
        assert watched.result is not None
        log.info("%s: %s %s", checker.name, watched.result.verdict, watched.result.reason)
        return watched.result
    log.error("%s: %s", checker.name, reason, exc_info=watched.error)
    return Result(checker.name, Verdict.UNKNOWN, reason=reason)


def _why_not(watched: _Watched, limits: Limits) -> str | None:
    if watched.result is not None:
        return None
    if isinstance(watched.error, HistoryError):
        raise watched.error
    if watched.error is not None:
        return f"the checker failed: {type(watched.error).__name__}: {watched.error}"
    waited = f"it did not end within {limits.time_s:g} s and {_GRACE_S:g} s more"
    return f"time limit: {waited}, or the run was interrupted"
