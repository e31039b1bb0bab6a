"""Programs that the ways of getting a server use: run with a deadline, killed with all their children."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from quorate.harness.core.outcome import Broken

_LAST_LINES: Final = 8
_LOOK_S: Final = 0.2
_PREFIX: Final = "quorate-tmp-"
_LIVES: Final = ".lives"
_YOUNG_S: Final = 60.0
_SWEPT_MAX: Final = 1000
# Becomes the tool, to be killed by the kernel when the thread that waits for it ends (PR_SET_PDEATHSIG, prctl(2)): a
# build of minutes must not outlive a `kill -9` of quorate. Set in a separate process: forks with threads cannot.
_WITH_US: Final = (
    "import ctypes,os,signal,sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"
    "if os.getppid() != int(sys.argv[1]): os._exit(1)\n"
    "try: os.execvp(sys.argv[2], sys.argv[2:])\n"
    "except OSError as error: print(sys.argv[2] + ': ' + str(error.strerror)); os._exit(127)\n"
)

# Set by whoever gave up waiting for the thread that runs the tools; looked at while they run.
given_up: ContextVar[threading.Event | None] = ContextVar("given_up", default=None)


def check_given_up() -> None:
    """Raise `Broken("given-up")` if no caller waits for the result any more."""
    event = given_up.get()
    if event is not None and event.is_set():
        raise Broken("given-up", "interrupted")


@contextlib.contextmanager
def scratch(purpose: str) -> Iterator[str]:
    """Give a folder for the time of a `with`; whoever comes next removes those whose maker was killed.

    A lock on a file in it says that its maker lives: the kernel lets go of it with the process.
    """
    _sweep()
    with (
        tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{purpose}-") as folder,
        (Path(folder) / _LIVES).open("w") as held,
    ):
        fcntl.flock(held, fcntl.LOCK_EX)
        yield folder


def _sweep() -> None:
    """Remove the folders of the dead; a folder without a lock is left alone for its first minute."""
    for folder in list(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"))[:_SWEPT_MAX]:
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            if (
                datetime.now(UTC).timestamp() - folder.stat().st_mtime < _YOUNG_S
            ):  # it may not have its lock yet
                continue
            with (folder / _LIVES).open("r+") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)


def _remove(folder: Path) -> None:
    """Remove it all, also what Go made unwritable in its module cache."""
    for where, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            Path(where).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def missing(*programs: str) -> str | None:
    """Say which programs are not there, or None."""
    absent = [program for program in programs if shutil.which(program) is None]
    return f"{', '.join(absent)} not found" if absent else None


def run(argv: Sequence[str], *, cwd: Path, deadline_s: float, env: Mapping[str, str] | None = None) -> str:
    """Run to the end and return its output; raise `Broken` with its last lines where it fails or is late."""
    if shutil.which(argv[0]) is None:
        raise Broken("tool-missing", f"{argv[0]}: it is not there, or cannot be executed")
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _WITH_US, str(os.getpid()), *argv],
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
        # Also on Ctrl-C: a compiler's children must not continue behind our back.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode != 0:
        last = "\n".join(output.strip().splitlines()[-_LAST_LINES:])
        raise Broken("tool-failed", f"{' '.join(argv[:3])} ended with {process.returncode}:\n{last}")
    return output
