"""Programs that the ways of getting a server use: run with a deadline, killed with all their children."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from quorate.harness.core.outcome import Broken

_LAST_LINES: Final = 8
_LOOK_S: Final = 0.2

# Set by whoever gave up waiting for the thread that runs the tools; looked at while they run.
given_up: ContextVar[threading.Event | None] = ContextVar("given_up", default=None)


def check_given_up() -> None:
    """Raise `Broken("given-up")` if nobody waits for the result any more."""
    event = given_up.get()
    if event is not None and event.is_set():
        raise Broken("given-up", "interrupted")


def missing(*programs: str) -> str | None:
    """Say which programs are not there, or None."""
    absent = [program for program in programs if shutil.which(program) is None]
    return f"{', '.join(absent)} not found" if absent else None


def run(argv: Sequence[str], *, cwd: Path, deadline_s: float, env: Mapping[str, str] | None = None) -> str:
    """Run to the end and return its output; raise `Broken` with its last lines where it fails or is late."""
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise Broken("tool-missing", f"{argv[0]}: {error.strerror}") from error
    end = time.monotonic() + deadline_s
    try:
        while True:
            check_given_up()
            try:
                output, _ = process.communicate(timeout=_LOOK_S)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > end:
                    late = f"{' '.join(argv[:3])} was not done in {deadline_s:.0f} s"
                    raise Broken("tool-late", late) from None
    except BaseException:
        # Also on Ctrl-C: a compiler's children must not go on behind our back.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode != 0:
        last = "\n".join(output.strip().splitlines()[-_LAST_LINES:])
        raise Broken("tool-failed", f"{' '.join(argv[:3])} ended with {process.returncode}:\n{last}")
    return output
