"""A job in a separate process: a crash is that cell's, nothing it leaks outlives it, and it dies with the campaign.

It has its own session, so that Ctrl-C reaches the campaign alone, which then lets its jobs heal.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.campaign.jobs import Job
from quorate.harness.cluster import slots
from quorate.harness.core import reading
from quorate.harness.core.exits import Exit
from quorate.harness.core.results import Printed

CHILD: Final = str(Path(__file__).with_name("child.py"))
_ERROR_LINES: Final = 5
_START_S: Final = 600.0  # building a server or an image for the first time
_GRACE_S: Final = 60.0  # healing, writing, reporting
_OUTPUT_MAX: Final = 64 << 20


class Finished(msgspec.Struct, frozen=True):
    """How the process ended: its results when it printed some, else what it said."""

    exit_code: int
    results: Printed | None
    complaint: str
    time_s: float


def arguments(job: Job, store: str) -> list[str]:
    """The command line of the job, as this interpreter runs it: with the whole test as JSON, so that nothing is lost.

    Not on the child's stdin: without root it starts itself again inside a user namespace, with the same arguments.
    """
    test = msgspec.structs.replace(job.cell.test, seed=job.seed, store=store)
    exactly = msgspec.json.encode(test).decode()
    return [sys.executable, "-m", "quorate", "test", test.system, "--exactly", exactly, "--json"]


def limit_s(job: Job) -> float:
    """How long the process may take in all."""
    test = job.cell.test
    return _START_S + 2 * test.time + 2 * test.check_time + _GRACE_S


async def run_process(job: Job, store: str, slot: int, deadline_s: float | None = None) -> Finished:
    """Run the job to its end or its limit; cancelled, it lets the run heal (SIGINT) before it kills it.

    `deadline_s` is a limit of the caller's own, in place of `limit_s`.
    """
    patience_s = limit_s(job) if deadline_s is None else deadline_s
    loop = asyncio.get_running_loop()
    begun = loop.time()
    environment = {**os.environ, **slots.environment(slot)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", CHILD, str(os.getpid())),
        *arguments(job, store),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
        limit=_OUTPUT_MAX,
    )
    try:
        async with asyncio.timeout(patience_s):
            out, err = await process.communicate()
    except TimeoutError:
        await _end(process)
        return Finished(Exit.BROKEN, None, f"no end after {patience_s:.0f} s: killed", loop.time() - begun)
    except asyncio.CancelledError:
        await _end(process)
        raise
    code = process.returncode if process.returncode is not None else Exit.BROKEN
    return Finished(code, _results(out), _complaint(code, err), loop.time() - begun)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Interrupt twice, as a person would, then kill."""
    for signum, patience_s in ((signal.SIGINT, _GRACE_S), (signal.SIGINT, 5.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signum)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), patience_s)
            return


def _results(out: bytes) -> Printed | None:
    """Decode the last line that is a JSON object."""
    for line in reversed(out.splitlines()):
        with contextlib.suppress(ValueError):
            found = reading.parsed(line)
            if isinstance(found, dict):
                return reading.record(found, Printed, [], "the output")
    return None


def _complaint(code: int, err: bytes) -> str:
    lines = [line for line in err.decode(errors="replace").splitlines() if line.strip()]
    said = " / ".join(lines[-_ERROR_LINES:])
    return f"ended by signal {-code}: {said}" if code < 0 else said
