"""A node that is a network namespace and a directory on this host."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from quorate.harness.cluster import commands, kernel, ledger, mounting, processes, signals, uploads
from quorate.harness.cluster.ledger import Ledger
from quorate.harness.cluster.local import rootless
from quorate.harness.cluster.processes import DAEMON_MARK, RUN_MARK, Handle
from quorate.harness.cluster.removal import mounts_below
from quorate.harness.cluster.signals import told_end
from quorate.harness.cluster.volumes import OPTIONS
from quorate.harness.core.clock import until_blocking
from quorate.harness.core.node import Completed, Daemon, Node, ProcessState
from quorate.harness.core.outcome import Broken

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_EXEC_WAIT_S = 5.0
_STOP_WAIT_S = 10.0
_MOUNT_S = 10.0
_TAIL_BYTES = 2000
_NOT_EXECUTED = (126, 127)  # nsenter's own codes (and every shell's) for what it could not execute


class LocalNode(Node):
    """One node; satisfies the protocol `Node`."""

    def __init__(self, name: str, address: str, directory: Path, netns: Path, book: Ledger) -> None:
        self._name = name
        self._address = address
        self._directory = directory
        self._netns = netns
        self._book = book
        self._daemons: dict[str, tuple[Handle, subprocess.Popen[bytes]]] = {}

    @property
    def name(self) -> str:
        """Short name, unique in the cluster."""
        return self._name

    @property
    def address(self) -> str:
        """IPv4 literal, reachable from this process and from the other nodes."""
        return self._address

    @property
    def directory(self) -> str:
        """Where the node's files live; everything put on the node must be below it, for it shares the host's files."""
        return str(self._directory)

    @property
    def netns(self) -> str | None:
        """Path of the node's network namespace."""
        return str(self._netns)

    async def run(
        self, argv: Sequence[str], *, timeout_s: float = 10.0, stdin: bytes = b"", check: bool = True
    ) -> Completed:
        """Run a command in the node's network and directory."""
        return await commands.run(
            [*self._enter(), *argv],
            timeout_s=timeout_s,
            stdin=stdin,
            env=self._environment({}),
            cwd=self.directory,
            label=argv,
            check=check,
        )

    async def put(self, source: Path, target: str, *, mode: int = 0o644) -> None:
        """Copy a file to the node; one that is there already with the same content is not copied again."""
        path = self._inside(target)
        try:
            await asyncio.to_thread(uploads.place, source, path, mode, self._directory.parent / "store")
        except OSError as error:
            raise Broken("cannot-copy", f"{source} to {self._name}:{target}: {error.strerror}") from error

    async def get(self, source: str, target: Path) -> None:
        """Copy a file from the node."""
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(shutil.copyfile, source, target)
        except OSError as error:
            raise Broken("cannot-copy", f"{self._name}:{source} to {target}: {error.strerror}") from error

    async def start(self, daemon: Daemon) -> None:
        """Start a server in the node's network, leading its own session; returns once it has been executed."""
        if await self.state(daemon.name) is not ProcessState.DEAD:
            raise Broken("already-running", f"{daemon.name} runs on {self._name} already")
        await asyncio.to_thread(self._start, daemon)

    async def signal(self, daemon: str, signum: int) -> None:
        """Signal the daemon and everything it started."""
        known = self._daemons.get(daemon)
        if known is None:
            return
        await signals.deliver(known[0], signum, self._daemon_mark(daemon))
        known[1].poll()  # reap it if it died

    async def state(self, daemon: str) -> ProcessState:
        """Read the daemon's state from the process table."""
        known = self._daemons.get(daemon)
        if known is None or known[1].poll() is not None:  # poll also reaps it
            return ProcessState.DEAD
        return processes.state(known[0])

    async def ended(self, daemon: str) -> str | None:
        """Say how the daemon ended, as its parent learned."""
        known = self._daemons.get(daemon)
        code = None if known is None else known[1].poll()
        return None if code is None else told_end(code)

    async def pid(self, daemon: str) -> int | None:
        """Return the daemon's pid while it lives."""
        if await self.state(daemon) is ProcessState.DEAD:
            return None
        return self._daemons[daemon][0].pid

    def no_mounts(self) -> str | None:
        """Return why no file system can be mounted: without root the kernel allows none on a device."""
        if os.geteuid() != 0 or rootless.inside():
            return "mounting ext4 needs root on this host; run as root, or over SSH to hosts where you are"
        return None if shutil.which("mkfs.ext4", path=_PATH) else "mkfs.ext4 is missing: install e2fsprogs"

    async def on_machine(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a command on this host."""
        environment = {"PATH": _PATH, "LC_ALL": "C"}
        return await commands.run(argv, timeout_s=timeout_s, env=environment, cwd="/", check=False)

    def on_machine_path(self, path: str) -> str:
        """Return the path: the node shares the host's files."""
        return path

    def from_here(self, path: str) -> str:
        """Return the path: the node shares the host's files."""
        return path

    async def mount(self, image: str, directory: str) -> None:
        """Mount a file below the node's directory; the sweep of a dead run unmounts it."""
        done = await self.on_machine(mounting.command("self", "mount", image, directory, OPTIONS), _MOUNT_S)
        commands.checked(done, f"{self._name}: mount {directory}", check=True)

    async def unmount(self, directory: str) -> None:
        """Unmount it."""
        done = await self.on_machine(mounting.command("self", "unmount", directory), _MOUNT_S)
        commands.checked(done, f"{self._name}: umount {directory}", check=True)

    async def wipe(self) -> None:
        """Kill everything in the node's namespace and empty its directory."""
        await asyncio.to_thread(self._wipe)

    def prepare(self) -> None:
        """Make the node's empty directory."""
        self._directory.mkdir(mode=0o755, parents=True, exist_ok=True)

    def _wipe(self) -> None:
        inode = self._netns.stat().st_ino
        processes.kill_all(lambda: processes.in_namespaces([inode]), _STOP_WAIT_S)
        for _, process in self._daemons.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_WAIT_S)
        self._daemons.clear()
        for mounted in sorted(mounts_below(self._directory), reverse=True):
            kernel.unmount(mounted)
        for child in self._directory.iterdir():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink()

    def _start(self, daemon: Daemon) -> None:
        binary = Path(daemon.argv[0])
        if not (binary.is_file() and os.access(binary, os.X_OK)):
            raise Broken("cannot-start", f"{daemon.name} on {self._name}: {binary} is not an executable file")
        log = self._inside(daemon.log)
        environment = self._environment({**daemon.env, DAEMON_MARK: f"{self._name}/{daemon.name}"})
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                process = subprocess.Popen(
                    [*self._enter(), *daemon.argv],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=environment,
                    cwd=self.directory if daemon.cwd == "/" else daemon.cwd,
                    start_new_session=True,
                )
        except OSError as error:
            raise Broken("cannot-start", f"{daemon.name} on {self._name}: {error}") from error
        born = processes.handle(process.pid)
        if born is not None:
            self._book.record(ledger.PROCESS, str(process.pid), start=born.start)
        if born is None or not _executed(process):
            raise Broken("cannot-start", f"{daemon.name} on {self._name} ended at once: {_tail(log)}")
        self._daemons[daemon.name] = (born, process)

    def _enter(self) -> list[str]:
        return ["nsenter", f"--net={self._netns}", "--"]

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        return {"PATH": _PATH, "HOME": self.directory, "LANG": "C.UTF-8", RUN_MARK: self._book.run_id, **more}

    def _daemon_mark(self, daemon: str) -> str:
        return f"{DAEMON_MARK}={self._name}/{daemon}"

    def _inside(self, target: str) -> Path:
        path = Path(os.path.normpath(target))
        if not path.is_relative_to(self._directory):
            raise Broken(
                "outside-node", f"{target} is not below {self._directory}: a local node has no other files"
            )
        return path


def _executed(process: subprocess.Popen[bytes]) -> bool:
    """Wait until nsenter has become the server; False if it could not.

    A server that ran and ended, however fast, was executed: `state` reports its death.
    """
    entering = os.path.realpath(shutil.which("nsenter", path=_PATH) or "nsenter")

    def look() -> bool | None:
        if (code := process.poll()) is not None:
            return code not in _NOT_EXECUTED
        try:
            now = str(Path(f"/proc/{process.pid}/exe").readlink())
        except OSError:
            return None  # just dead: poll says how
        return True if now != entering else None  # Popen has returned: it was nsenter before

    found = until_blocking(look, lambda one: one is not None, deadline_s=_EXEC_WAIT_S, poll_s=0.0005)
    return found is True


def _tail(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace").strip() or "no word in its log"
    except OSError:
        return "it left no log"
