"""Programs that the ways of getting a server use: run with a deadline, killed with all their children."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.outcome import Broken

_LAST_LINES = 8


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
    try:
        output, _ = process.communicate(timeout=deadline_s)
    except subprocess.TimeoutExpired:
        raise Broken("tool-late", f"{' '.join(argv[:3])} was not done in {deadline_s:.0f} s") from None
    finally:
        # Also on Ctrl-C: a compiler's children must not go on behind our back.
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode != 0:
        last = "\n".join(output.strip().splitlines()[-_LAST_LINES:])
        raise Broken("tool-failed", f"{' '.join(argv[:3])} ended with {process.returncode}:\n{last}")
    return output
