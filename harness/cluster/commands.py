"""Run a program on this host to its end, with a deadline and a limit on its output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from collections.abc import Mapping, Sequence

from quorate.harness.core.node import Completed
from quorate.harness.core.outcome import Broken

OUTPUT_LIMIT = 64 << 20  # bytes of stdout or stderr; more is a mistake, not an answer
_KILL_WAIT_S = 2.0
_TAIL = 2000


async def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    label: Sequence[str] = (),
    check: bool = True,
    alone: bool = False,
) -> Completed:
    """Run `argv`; raise `Broken` when it cannot start, misses the deadline, or fails and `check` is set.

    It leads its own process group, which is killed as a whole at the deadline and on cancellation, and with `alone`
    at the end as well: what the command left in the background does not outlive it. `label` is what errors call the
    command, where it was wrapped to reach a node.
    """
    shown = shlex.join(label or argv)
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        raise Broken("cannot-run", f"{shown}: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeout_s):
            stdout, stderr = await _talk(process, stdin)
            code = await process.wait()
    except TimeoutError:
        raise Broken("timeout", f"{shown} did not end within {timeout_s:g} s") from None
    finally:
        await _end(process, group=alone)
    return checked(Completed(code, stdout, stderr), shown, check=check)


def checked(completed: Completed, shown: str, *, check: bool) -> Completed:
    """Return the result, or raise `Broken` with the command's own last words if it failed and `check` is set."""
    if check and completed.code != 0:
        words = (completed.stderr.strip() or completed.stdout.strip())[-_TAIL:]
        raise Broken("command-failed", f"{shown} ended with code {completed.code}: {words}")
    return completed


async def _talk(process: asyncio.subprocess.Process, stdin: bytes) -> tuple[str, str]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise AssertionError("all three streams were asked for")

    async def feed(stream: asyncio.StreamWriter) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stream.write(stdin)
            await stream.drain()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            stream.close()

    _, stdout, stderr = await asyncio.gather(
        feed(process.stdin), _read(process.stdout), _read(process.stderr)
    )
    return stdout, stderr


async def _read(stream: asyncio.StreamReader) -> str:
    chunks: list[bytes] = []
    size = 0
    while chunk := await stream.read(1 << 16):
        size += len(chunk)
        if size > OUTPUT_LIMIT:
            raise Broken("too-much-output", f"a command wrote more than {OUTPUT_LIMIT >> 20} MiB")
        chunks.append(chunk)
    return b"".join(chunks).decode(errors="replace")


async def _end(process: asyncio.subprocess.Process, *, group: bool = False) -> None:
    """Kill a process that still runs, with its group (with `group` that in any case), and close its pipes."""
    if group or process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_KILL_WAIT_S):
                await process.wait()
    # asyncio offers no public way to close pipes that a process out of the group still holds open.
    transport: asyncio.SubprocessTransport | None = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()
