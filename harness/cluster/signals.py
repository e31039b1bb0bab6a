"""Signal a daemon on this host and wait until the process table shows it: a signal sent is not yet a signal taken."""

from __future__ import annotations

import signal
from collections.abc import Collection

from quorate.harness.cluster import processes
from quorate.harness.cluster.processes import Handle
from quorate.harness.core.clock import until
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import Broken

_DEATH_S = 10.0
_SIGNALLED = 128
_STOP_S = 2.0  # longer only for a process that hangs in the kernel: then the fault's own proof says so
_POLL_S = 0.0005


def told_end(code: int) -> str:
    """Say how a process ended: `code` as Python has it, negative for a signal, or as shells and Docker do, 128 more."""
    number = -code if code < 0 else code - _SIGNALLED
    if number <= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"exit code {code}" if code > 0 else f"killed by signal {number}"
    return f"killed by signal {number} ({name})"


async def deliver(process: Handle, signum: int, mark: str, reapers: Collection[int] = (1,)) -> None:
    """Signal a daemon with all that it started; SIGKILL, SIGSTOP and SIGCONT have taken effect on it on return.

    Raises `Broken` if it survives SIGKILL for ten seconds; a stop or continuation is waited for two at most.
    """
    processes.signal_family(process, signum, mark, reapers)
    if signum == signal.SIGKILL:
        await await_death(process)
    elif signum == signal.SIGSTOP:
        await _until(process, {ProcessState.STOPPED, ProcessState.DEAD}, _STOP_S)
    elif signum == signal.SIGCONT:
        await _until(process, {ProcessState.RUNNING, ProcessState.DEAD}, _STOP_S)


async def await_death(process: Handle) -> None:
    """Return once a process that was killed is dead; raise `Broken` where it is not within ten seconds."""
    if not await _until(process, {ProcessState.DEAD}, _DEATH_S):
        raise Broken("would-not-die", f"process {process.pid} survived SIGKILL for {_DEATH_S:g} s")


async def _until(process: Handle, wanted: set[ProcessState], deadline_s: float) -> bool:
    async def state() -> ProcessState:
        return processes.state(process)

    return await until(state, wanted.__contains__, deadline_s=deadline_s, poll_s=_POLL_S) in wanted
