"""A node that is a host reached over SSH."""

from __future__ import annotations

import asyncio
import functools
import os
import posixpath
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from quorate.harness.cluster import commands, shell, uploads
from quorate.harness.cluster.processes import DAEMON_MARK, RUN_MARK
from quorate.harness.cluster.signals import told_end
from quorate.harness.cluster.ssh.connection import Connection
from quorate.harness.cluster.volumes import mount_command
from quorate.harness.core.clock import until
from quorate.harness.core.node import Completed, Daemon, Node, ProcessState
from quorate.harness.core.outcome import Broken

T = TypeVar("T")

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SCRIPT_S = 15.0
_COPY_S = 30.0
_START_S = 10.0
_NOTED_S = 1.0
_POLL_S = 0.005
_EXECUTABLE = 0o111
_NO_MOUNT = (
    "needs the package mount, and a root that may mount loop devices (a container's may not by default)"
)
_NOT_EXECUTED = (125, 126, 127)

# The shell that waits for the server reaps it, and notes how it ended.
_LAUNCH = (
    'code=$1; shift; [ -f "$1" ] && [ -x "$1" ] || { echo "$1 is not an executable file" >&2; exit 126; };'
    ' shift; rm -f "$code"; ( setsid "$@" </dev/null >/dev/null 2>&1; echo $? >"$code" ) >/dev/null 2>&1 &'
)


class SshNode(Node):
    """One host; satisfies the protocol `Node`."""

    def __init__(
        self, name: str, address: str, connection: Connection, run_id: str, pool: ThreadPoolExecutor
    ) -> None:
        self._name = name
        self._address = address
        self._connection = connection
        self._run_id = run_id
        self._pool = pool
        self._stored: set[str] = set()

    @property
    def name(self) -> str:
        """Short name, unique in the cluster."""
        return self._name

    @property
    def address(self) -> str:
        """The host's address for servers and clients."""
        return self._address

    @property
    def base(self) -> str:
        """Everything of this run on the host is below it."""
        return f"{self._connection.host.directory}/{self._run_id}"

    @property
    def directory(self) -> str:
        """Where the node keeps this run's files."""
        return f"{self.base}/node"

    @property
    def netns(self) -> str | None:
        """None: another machine."""
        return None

    async def run(
        self, argv: Sequence[str], *, timeout_s: float = 10.0, stdin: bytes = b"", check: bool = True
    ) -> Completed:
        """Run a command in the node's directory."""
        environment = {"PATH": _PATH, RUN_MARK: self._run_id}
        completed = await self._call(
            self._connection.run, argv, timeout_s=timeout_s, stdin=stdin, env=environment, cwd=self.directory
        )
        return commands.checked(completed, f"{self._name}: {' '.join(argv)}", check=check)

    async def put(self, source: Path, target: str, *, mode: int = 0o644) -> None:
        """Copy a file to the node; an executable that it has had before is only linked."""
        try:
            digest = await asyncio.to_thread(uploads.checksum, source)
        except OSError as error:
            raise Broken("cannot-copy", f"{source}: {error.strerror}") from error
        kept = f"{self.base}/store/{digest}-{mode:o}"
        executable = bool(mode & _EXECUTABLE)
        if not executable or kept not in self._stored:
            incoming = f"{self.base}/incoming/{os.urandom(8).hex()}"
            await self._call(self._connection.upload, source, incoming)
            place = kept if executable else target
            await self._script(
                'mkdir -p "$(dirname "$2")" && chmod "$3" "$1" && chown "$(id -u):$(id -g)" "$1" && mv -f "$1" "$2"',
                incoming,
                place,
                f"{mode:o}",
            )
        if executable:
            self._stored.add(kept)
            await self._script('mkdir -p "$(dirname "$2")" && ln -f "$1" "$2"', kept, target)

    async def get(self, source: str, target: Path) -> None:
        """Copy a file from the node."""
        outgoing = f"{self.base}/incoming/{os.urandom(8).hex()}"
        user = self._connection.host.user
        await self._script('cp "$1" "$2" && chown "$3" "$2" && chmod u+r "$2"', source, outgoing, user)
        await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
        await self._call(self._connection.download, outgoing, target)
        await self._script('rm -f "$1"', outgoing)

    async def start(self, daemon: Daemon) -> None:
        """Start a server that outlives the connection; returns once it has been executed."""
        if await self.state(daemon.name) is not ProcessState.DEAD:
            raise Broken("already-running", f"{daemon.name} runs on {self._name} already")
        environment = {
            "PATH": _PATH,
            **daemon.env,
            RUN_MARK: self._run_id,
            DAEMON_MARK: self._mark_value(daemon.name),
        }
        assignments = [f"{name}={value}" for name, value in environment.items()]
        become = shell.start_command(self._file(daemon.name), daemon.log, daemon.cwd, daemon.argv)
        code_file = self._code_file(daemon.name)
        doing = f"{daemon.name} on {self._name}"
        launch = shell.command(_LAUNCH, code_file, daemon.argv[0], "env", *assignments, *become)
        launched = await self._raw(launch)
        if launched.code != 0:
            raise Broken("cannot-start", f"{doing}: {launched.stderr.strip()}")

        async def executed() -> bool:
            if await self._state_word(daemon.name) in {"running", "stopped"}:
                return True
            ended = (await self._raw(["cat", code_file])).stdout.strip()
            if ended and int(ended) in _NOT_EXECUTED:
                tail = (await self._raw(["tail", "-c", "2000", daemon.log])).stdout.strip()
                raise Broken("cannot-start", f"{doing} could not be executed: {tail or 'no word in its log'}")
            return bool(ended)  # ran and ended, however fast: `state` reports its death

        if not await until(executed, bool, deadline_s=_START_S, poll_s=_POLL_S):
            raise Broken("timeout", f"{doing} was not executed within {_START_S:g} s")

    def _code_file(self, daemon: str) -> str:
        return f"{self._file(daemon)}.code"

    async def signal(self, daemon: str, signum: int) -> None:
        """Signal the daemon and everything it started."""
        name = signal.Signals(signum).name.removeprefix("SIG")
        mark = f"{DAEMON_MARK}={self._mark_value(daemon)}"
        done = await self._raw(shell.signal_command(self._file(daemon), name, mark))
        commands.checked(done, f"{self._name}: SIG{name} to {daemon}", check=True)

    async def state(self, daemon: str) -> ProcessState:
        """Read the daemon's state from the host's process table."""
        word = await self._state_word(daemon)
        return ProcessState.RUNNING if word == "starting" else ProcessState(word)

    async def ended(self, daemon: str) -> str | None:
        """Say how the daemon ended, as the shell that waits for it notes just after."""

        async def noted() -> str:
            return (await self._raw(["cat", self._code_file(daemon)])).stdout.strip()

        code = await until(noted, bool, deadline_s=_NOTED_S, poll_s=_POLL_S)
        return told_end(int(code)) if code else None

    async def pid(self, daemon: str) -> int | None:  # noqa: ARG002
        """Return None: its pid means nothing on this host."""
        return None

    def no_mounts(self) -> str | None:
        """Return None: whether the host lets its root mount is seen when it is tried."""

    async def on_machine(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a command on the host; without the run's mark, so that a wipe does not end it."""
        return await self._raw(argv, timeout_s=timeout_s)

    def on_machine_path(self, path: str) -> str:
        """Return the path: the node is the host."""
        return path

    def from_here(self, path: str) -> None:
        """Return None: another machine."""

    async def mount(self, image: str, directory: str) -> None:
        """Mount a file of the host; a wipe and the end of the run unmount it."""
        done = await self._raw(mount_command(image, directory))
        if done.code != 0:
            raise Broken("no-volume", f"{self._name}: mount {directory}: {done.stderr.strip()}; {_NO_MOUNT}")

    async def unmount(self, directory: str) -> None:
        """Unmount it."""
        done = await self._raw(["umount", directory])
        commands.checked(done, f"{self._name}: umount {directory}", check=True)

    async def wipe(self) -> None:
        """Kill what this run started on the host, and empty the node's directory."""
        done = await self._raw(shell.wipe_command(f"{RUN_MARK}={self._run_id}", self.directory))
        commands.checked(done, f"wiping {self._name}", check=True)

    async def prepare(self) -> None:
        """Make the run's directories; the login user may write to one of them."""
        await self._script(
            'mkdir -p "$1/node" "$1/daemons" "$1/store" "$1/incoming" && chown "$2" "$1/incoming"',
            self.base,
            self._connection.host.user,
        )

    def _file(self, daemon: str) -> str:
        return posixpath.join(self.base, "daemons", daemon)

    def _mark_value(self, daemon: str) -> str:
        return f"{self._run_id}/{self._name}/{daemon}"

    async def _state_word(self, daemon: str) -> str:
        words = (await self._raw(shell.state_command(self._file(daemon)))).stdout.split()
        return words[0] if words else "dead"

    async def _script(self, script: str, *arguments: str) -> None:
        done = await self._raw(shell.command(script, *arguments), timeout_s=_COPY_S)
        if done.code != 0:
            raise Broken("cannot-copy", f"{self._name}: {done.stderr.strip()}")

    async def _raw(self, argv: Sequence[str], timeout_s: float = _SCRIPT_S) -> Completed:
        """Run without the run's mark, so that a wipe does not kill itself."""
        return await self._call(self._connection.run, argv, timeout_s=timeout_s, env={"PATH": _PATH})

    async def _call(self, work: Callable[..., T], *arguments: object, **options: object) -> T:
        body = functools.partial(work, *arguments, **options)
        return await asyncio.get_running_loop().run_in_executor(self._pool, body)
