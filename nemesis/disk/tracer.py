"""strace at a running server: it delays or fails the chosen system calls, and writes down each one.

Needs the server's pid on this host, and to be its user or root. If the tracer dies, the kernel lets the server go, and
its calls are true again; if the server dies, the tracer ends. It carries the run's mark, as everything started for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from quorate.harness.cluster.processes import RUN_MARK
from quorate.harness.core.outcome import Broken

_ATTACH_S: Final = 10.0
_END_S: Final = 5.0
_POLL_S: Final = 0.005
_TOUCHED: Final = re.compile(rb"\((?:DELAYED|INJECTED)\) <([0-9.]+)>")


class Tracer:
    """strace on one process."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._process: asyncio.subprocess.Process | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def attach(self, pid: int, calls: Sequence[str], action: str, paths: Sequence[str]) -> None:
        """Do `action` (such as `delay_enter=50000` or `error=EIO`) to these calls of all threads.

        On these files only where any are named. Returns once it is in force; raises `Broken` with strace's own words.
        """
        strace = shutil.which("strace")
        if strace is None:
            raise Broken("no-strace", "disk faults need strace on this host: install the package strace")
        self._folder = tempfile.TemporaryDirectory(prefix="quorate-strace-")
        names = ",".join(calls)
        argv = [
            strace,
            "-f",
            "-T",
            "-e",
            f"trace={names}",
            "-e",
            f"inject={names}:{action}",
            "-o",
            str(self._log),
        ]
        for path in paths:
            argv += ["-P", path]
        # Into a file: what it says of every new thread is not read, and a full pipe would stop it.
        with self._words.open("wb") as words:
            self._process = await asyncio.create_subprocess_exec(
                *argv, "-p", str(pid),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=words,
                env={**os.environ, RUN_MARK: self._run_id}, start_new_session=True,
            )  # fmt: skip
        if not await self._is_attached(self._process):
            said = self._words.read_text(errors="replace").strip()
            await self.detach()
            raise Broken("disk", f"strace cannot attach to process {pid}: {said or 'no word'}")

    def touched(self) -> list[float]:
        """Return how long each call took that has been delayed or failed, in seconds."""
        with contextlib.suppress(OSError):
            return [float(length) for length in _TOUCHED.findall(self._log.read_bytes())]
        return []

    async def detach(self) -> int:
        """Let the process go and return how many calls were touched; safe to call twice."""
        count = len(self.touched()) if self._folder is not None else 0
        process, self._process = self._process, None
        if process is not None:
            for signum in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signum)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_END_S):
                        await process.wait()
                        break
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        return count

    @property
    def _log(self) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / "calls"

    @property
    def _words(self) -> Path:
        assert self._folder is not None
        return Path(self._folder.name) / "words"

    async def _is_attached(self, process: asyncio.subprocess.Process) -> bool:
        """Wait until strace says "Process 7 attached with 9 threads", or ends, or the deadline passes."""
        loop = asyncio.get_running_loop()
        end = loop.time() + _ATTACH_S
        # Not `until`: whether it is over counts from before the look.
        while True:
            # Asked before the look: a server that stops at its first error ends strace as well, after it was attached.
            over = process.returncode is not None or loop.time() >= end
            if b" attached" in self._words.read_bytes():
                return True
            if over:
                return False
            await asyncio.sleep(_POLL_S)


def is_traced(pid: int) -> bool:
    """Whether any process traces this one."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("TracerPid:"):
                return int(line.split()[1]) != 0
    return False


def open_data_files(pid: int, directory: str, logs: Sequence[str]) -> list[str]:
    """Return the files below a directory that the process has open for writing, without its logs.

    As the process itself calls them; `directory` too is a path on the node.
    """
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError, ValueError, StopIteration):
            path = str(link.readlink())
            info = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text().splitlines()
            flags = int(next(line for line in info if line.startswith("flags:")).split()[1], 8)
            writes = flags & os.O_ACCMODE != os.O_RDONLY
            if writes and path.startswith(directory.rstrip("/") + "/") and path not in logs:
                found.add(path)
    return sorted(found)
