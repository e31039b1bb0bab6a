"""Into a container from this host: its namespaces by nsenter, its processes by their pids on this host.

Needs root and an engine on the same kernel; one command takes about 5 ms instead of 100.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from quorate.harness.cluster import commands, processes, shell, signals
from quorate.harness.cluster.processes import RUN_MARK, Handle
from quorate.harness.core.clock import until_blocking
from quorate.harness.core.node import Completed, ProcessState
from quorate.harness.core.outcome import Broken

_KILL_WAIT_S = 10.0
_IDLE_WAIT_S = 10.0
_POLL_S = 0.002


class Entered:
    """One container, entered from this host; `init` is its first process's pid on this host."""

    def __init__(self, init: int, idle: int) -> None:
        self.init = init
        self.netns: str | None = f"/proc/{init}/ns/net"
        self._spared = {init, idle}
        self._daemons: dict[str, Handle] = {}

    async def run(
        self, argv: Sequence[str], *, timeout_s: float, stdin: bytes, env: Mapping[str, str], cwd: str
    ) -> Completed:
        """Run a command in all of the container's namespaces; raise `Broken` at the deadline."""
        # nsenter opens the working directory before it enters: so by its path as this host sees it.
        directory = f"--wd=/proc/{self.init}/root{cwd}"
        enter = ["nsenter", "-t", str(self.init), "-m", "-n", "-p", "-i", "-u", directory, "--"]
        return await commands.run(
            [*enter, *argv], timeout_s=timeout_s, stdin=stdin, env=env, label=argv, check=False
        )

    async def started(self, daemon: str, pid: int, mark: str) -> bool:
        """Return whether the shell that starts a daemon has become it; from then on the daemon is known by its pid.

        Before it is that shell it is the container runtime, which has not got the mark.
        """
        born = processes.handle(pid)
        words = processes.command_line(pid)
        if born is None or not words or shell.STARTING in words or not processes.has_mark(pid, mark):
            return False
        self._daemons[daemon] = born
        return True

    async def signal(self, daemon: str, signum: int, mark: str) -> None:
        """Signal a daemon and all that it started."""
        known = self._daemons.get(daemon)
        if known is not None:
            await signals.deliver(known, signum, mark, {self.init})

    async def state(self, daemon: str) -> ProcessState:
        """Return a daemon's state from the process table."""
        known = self._daemons.get(daemon)
        return ProcessState.DEAD if known is None else processes.state(known)

    async def pid(self, daemon: str) -> int | None:
        """Return a daemon's pid on this host while it lives."""
        if await self.state(daemon) is ProcessState.DEAD:
            return None
        return self._daemons[daemon].pid

    async def kill_all(self) -> None:
        """Kill everything in the container that was started after it came up."""
        await asyncio.to_thread(processes.kill_all, self._strangers, _KILL_WAIT_S)
        self._daemons.clear()

    def _strangers(self) -> list[int]:
        inode = Path(f"/proc/{self.init}/ns/net").stat().st_ino
        return [pid for pid in processes.in_namespaces([inode]) if pid not in self._spared]


def enter(init: int, run_id: str) -> Entered | None:
    """Return the way into a container, or None where this process cannot take it.

    The pid that an engine reports may mean nothing here (an engine in a virtual machine, this process in a container):
    so it is believed only if that process has the run's mark, and the namespaces open.
    """
    if os.geteuid() != 0 or not processes.has_mark(init, f"{RUN_MARK}={run_id}"):
        return None
    try:
        for namespace in ("net", "mnt", "pid"):
            os.close(os.open(f"/proc/{init}/ns/{namespace}", os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return None
    return Entered(init, _idle(init))


def _idle(init: int) -> int:
    """Return the pid of what keeps the container up, once it runs: killing everything else must spare it.

    The engine calls a container running before its init has started anything; on a busy machine that shows.
    """

    def look() -> int | None:
        for one in processes.table().values():
            if one.parent == init and processes.has_mark(one.pid, shell.IDLE_MARK):
                return one.pid
        return None

    pid = until_blocking(look, bool, deadline_s=_IDLE_WAIT_S, poll_s=_POLL_S)
    if pid is None:
        raise Broken("no-node", f"the container of process {init} did not come up within {_IDLE_WAIT_S:g} s")
    return pid
