"""Into a container through the engine alone: every command is an exec, every signal a small script in the node.

The way of a user without root, and of an engine in a virtual machine. About 100 ms a command, with the same results.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

import docker
from docker.utils.socket import consume_socket_output, demux_adaptor, frames_iter

from quorate.harness.cluster import shell
from quorate.harness.cluster.docker.engine import Engine
from quorate.harness.cluster.processes import RUN_MARK
from quorate.harness.core.clock import until_blocking
from quorate.harness.core.node import Completed, ProcessState
from quorate.harness.core.outcome import Broken

_SCRIPT_TIMEOUT_S = 15.0
_GRACE_S = 5.0  # for the engine, after the node's own `timeout` has killed the command
_KILLED = 137
_LOOKS = 3
_FOLDER = "/run/quorate"


class Executed:
    """One container, reached through the engine."""

    netns: str | None = None

    def __init__(self, engine: Engine, container: str, run_id: str) -> None:
        self._engine = engine
        self._container = container
        self._run_id = run_id

    async def run(
        self, argv: Sequence[str], *, timeout_s: float, stdin: bytes, env: Mapping[str, str], cwd: str
    ) -> Completed:
        """Run a command by exec; raise `Broken` at the deadline. `timeout` in the node kills it there."""
        wrapped = ["timeout", "-s", "KILL", f"{timeout_s:.3f}", *argv]

        def work(api: docker.APIClient) -> Completed:
            made = api.exec_create(
                self._container, wrapped, stdin=bool(stdin), environment=dict(env), workdir=cwd, user="0"
            )
            stdout, stderr = _talk(api, made["Id"], stdin, timeout_s + _GRACE_S)
            return Completed(_exit_code(api, made["Id"]), stdout, stderr)

        started = time.monotonic()
        completed = await self._engine.call(work, doing=f"running {argv[0]} in {self._container}")
        if completed.code == _KILLED and time.monotonic() - started >= timeout_s:
            raise Broken("timeout", f"{' '.join(argv)} did not end within {timeout_s:g} s")
        return completed

    async def started(self, daemon: str, pid: int, mark: str) -> bool:  # noqa: ARG002 - a pid of another kernel
        """Return whether the shell that starts a daemon has become it."""
        return await self._state_word(daemon) in {"running", "stopped"}

    async def signal(self, daemon: str, signum: int, mark: str) -> None:
        """Signal a daemon and all that it started."""
        name = signal.Signals(signum).name.removeprefix("SIG")
        await self._script(shell.signal_command(self.file(daemon), name, mark))

    async def state(self, daemon: str) -> ProcessState:
        """Return a daemon's state from the node's process table."""
        word = await self._state_word(daemon)
        return ProcessState.RUNNING if word == "starting" else ProcessState(word)

    async def pid(self, daemon: str) -> int | None:  # noqa: ARG002
        """Return None: its pid means nothing on this host."""
        return None

    async def kill_all(self) -> None:
        """Kill everything in the container that was started after it came up."""
        await self._script(shell.wipe_command(f"{RUN_MARK}={self._run_id}", _FOLDER))

    @staticmethod
    def file(daemon: str) -> str:
        """Return the path on the node of the file by which a daemon is remembered."""
        return f"{_FOLDER}/{daemon}"

    async def _state_word(self, daemon: str) -> str:
        # The script always says a word: a busy engine may lose the output of an exec, which is not a death.
        for _ in range(_LOOKS):
            words = (await self._script(shell.state_command(self.file(daemon)))).stdout.split()
            if words:
                return words[0]
        raise Broken("no-answer", f"{self._container} does not report whether {daemon} runs")

    async def _script(self, argv: list[str]) -> Completed:
        completed = await self.run(
            argv, timeout_s=_SCRIPT_TIMEOUT_S, stdin=b"", env={"PATH": shell.NODE_PATH}, cwd="/"
        )
        if completed.code != 0:
            raise Broken(
                "command-failed", f"a script in {self._container} failed: {completed.stderr.strip()}"
            )
        return completed


def _talk(api: docker.APIClient, exec_id: str, stdin: bytes, timeout_s: float) -> tuple[str, str]:
    """Feed an exec and read its output to the end; the socket's timeout bounds each wait for more of it."""
    stream: Any = api.exec_start(exec_id, socket=True)
    try:
        raw: socket.socket = getattr(stream, "_sock", stream)
        raw.settimeout(timeout_s)
        if stdin:
            raw.sendall(stdin)
            raw.shutdown(socket.SHUT_WR)
        frames = (demux_adaptor(*frame) for frame in frames_iter(stream, tty=False))  # type: ignore[no-untyped-call]
        stdout, stderr = consume_socket_output(frames, demux=True)
    finally:
        stream.close()
    return (stdout or b"").decode(errors="replace"), (stderr or b"").decode(errors="replace")


def _exit_code(api: docker.APIClient, exec_id: str) -> int:
    """Return the exit code; the engine may report it a moment after the output has ended."""

    def look() -> int | None:
        code: int | None = api.exec_inspect(exec_id)["ExitCode"]
        return code

    code = until_blocking(look, lambda found: found is not None, deadline_s=_GRACE_S, poll_s=0.005)
    if code is None:
        raise TimeoutError("the engine does not report the exit code")
    return code
