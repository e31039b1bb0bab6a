"""A node that is a container: idle under an init, its server started inside by exec."""

from __future__ import annotations

import asyncio
import posixpath
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NoReturn, Protocol

import docker

from quorate.harness.cluster import commands, mounting, shell, uploads, volumes
from quorate.harness.cluster.docker.engine import Engine
from quorate.harness.cluster.docker.entered import Entered
from quorate.harness.cluster.docker.executed import Executed
from quorate.harness.cluster.network import script
from quorate.harness.cluster.processes import DAEMON_MARK
from quorate.harness.cluster.signals import told_end
from quorate.harness.core.clock import until
from quorate.harness.core.node import Completed, Daemon, Node, ProcessState
from quorate.harness.core.outcome import Broken

DIRECTORY = "/var/lib/quorate"
STORE = "/opt/quorate/store"  # executables by checksum: they survive a wipe

_NOTED_S = 1.0
_START_WAIT_S = 10.0
_MOUNT_S = 10.0
_POLL_S = 0.002
_NOT_EXECUTED = (125, 126, 127)  # the shell's codes: no such directory, not executable, not found
_EXECUTABLE = 0o111
_LOOK = f"""{script.FORGET}
nft -s list ruleset; iptables-save -t mangle | grep -v '^[#:]'; tc qdisc show; cat /proc/mounts; true"""
_SPOOL = 1 << 20


class Reach(Protocol):
    """A way into the container: `Entered` or `Executed`."""

    netns: str | None

    async def run(
        self, argv: Sequence[str], *, timeout_s: float, stdin: bytes, env: Mapping[str, str], cwd: str
    ) -> Completed:
        """Run a command to its end."""
        ...

    async def started(self, daemon: str, pid: int, mark: str) -> bool:
        """Return whether the shell that starts a daemon has become it."""
        ...

    async def signal(self, daemon: str, signum: int, mark: str) -> None:
        """Signal a daemon and all that it started."""
        ...

    async def state(self, daemon: str) -> ProcessState:
        """Return a daemon's state."""
        ...

    async def pid(self, daemon: str) -> int | None:
        """Return a daemon's pid on this host, if it has one."""
        ...

    async def kill_all(self) -> None:
        """Kill everything but what keeps the container up."""
        ...


class DockerNode(Node):
    """One container; satisfies the protocol `Node`."""

    def __init__(self, name: str, address: str, container: str, engine: Engine, reach: Reach) -> None:
        self._name = name
        self._address = address
        self._container = container
        self._engine = engine
        self._reach = reach
        self._stored: set[str] = set()
        self._execs: dict[str, str] = {}

    @property
    def name(self) -> str:
        """Short name, unique in the cluster; also the container's host name."""
        return self._name

    @property
    def address(self) -> str:
        """The container's fixed IPv4 address."""
        return self._address

    @property
    def directory(self) -> str:
        """Where the node keeps this run's files."""
        return DIRECTORY

    @property
    def netns(self) -> str | None:
        """Path to the container's network namespace, or None where this process cannot enter it."""
        return self._reach.netns

    @property
    def container(self) -> str:
        """The container's id, for what only the engine can do (limits of CPU and memory)."""
        return self._container

    async def run(
        self, argv: Sequence[str], *, timeout_s: float = 10.0, stdin: bytes = b"", check: bool = True
    ) -> Completed:
        """Run a command in the node's directory."""
        completed = await self._reach.run(
            argv,
            timeout_s=timeout_s,
            stdin=stdin,
            env={"PATH": shell.NODE_PATH, "HOME": DIRECTORY},
            cwd=DIRECTORY,
        )
        return commands.checked(completed, f"{self._name}: {' '.join(argv)}", check=check)

    async def put(self, source: Path, target: str, *, mode: int = 0o644) -> None:
        """Copy a file to the node; an executable that it has had before is only linked."""
        if not target.startswith("/"):
            raise Broken("bad-path", f"{target} is not an absolute path")
        if not mode & _EXECUTABLE:
            await self._upload(source, target, mode)
            return
        digest = await asyncio.to_thread(self._checksum, source)
        kept = f"{STORE}/{digest}-{mode:o}"
        if kept not in self._stored:
            await self._upload(source, kept, mode)
            self._stored.add(kept)
        script = 'mkdir -p "$(dirname "$2")" && ln -f "$1" "$2"'
        await self.run(["sh", "-c", script, "link", kept, target])

    async def get(self, source: str, target: Path) -> None:
        """Copy a file from the node."""

        def work(api: docker.APIClient) -> None:
            chunks, _ = api.get_archive(self._container, source)
            with tempfile.SpooledTemporaryFile(_SPOOL) as spool:
                for chunk in chunks:
                    spool.write(chunk)
                spool.seek(0)
                with tarfile.open(fileobj=spool) as archive:
                    _extract_file(archive, source, target)

        await self._engine.call(work, doing=f"copying {self._name}:{source}")

    async def start(self, daemon: Daemon) -> None:
        """Start a server by exec; returns once it has been executed."""
        if await self.state(daemon.name) is not ProcessState.DEAD:
            raise Broken("already-running", f"{daemon.name} runs on {self._name} already")
        argv = shell.start_command(Executed.file(daemon.name), daemon.log, daemon.cwd, daemon.argv)
        environment = {"PATH": shell.NODE_PATH, **daemon.env, DAEMON_MARK: f"{self._name}/{daemon.name}"}

        def work(api: docker.APIClient) -> tuple[str, int]:
            made = api.exec_create(
                self._container, argv, environment=environment, user="0", stdout=False, stderr=False
            )
            api.exec_start(made["Id"], detach=True)
            return made["Id"], int(api.exec_inspect(made["Id"])["Pid"])

        doing = f"starting {daemon.name} on {self._name}"
        exec_id, pid = await self._engine.call(work, doing=doing)
        self._execs[daemon.name] = exec_id

        async def executed() -> bool:
            if await self._reach.started(daemon.name, pid, self._mark(daemon.name)):
                return True
            code = await self._engine.call(lambda api: api.exec_inspect(exec_id)["ExitCode"], doing=doing)
            if code in _NOT_EXECUTED:
                await self._explain(daemon)
            return code is not None  # ran and ended, however fast: `state` reports its death

        if not await until(executed, bool, deadline_s=_START_WAIT_S, poll_s=_POLL_S):
            raise Broken("timeout", f"{doing}: it was not executed within {_START_WAIT_S:g} s")

    async def signal(self, daemon: str, signum: int) -> None:
        """Signal the daemon and everything it started."""
        await self._reach.signal(daemon, signum, self._mark(daemon))

    async def state(self, daemon: str) -> ProcessState:
        """Read the daemon's state from the process table."""
        return await self._reach.state(daemon)

    async def ended(self, daemon: str) -> str | None:
        """Say how the daemon ended, as the engine reports it, maybe a moment after it has left the table."""
        if (exec_id := self._execs.get(daemon)) is None:
            return None

        async def told() -> int | None:
            doing = f"asking how {daemon} on {self._name} ended"
            code = await self._engine.call(lambda api: api.exec_inspect(exec_id)["ExitCode"], doing=doing)
            return None if code is None else int(code)

        code = await until(told, lambda found: found is not None, deadline_s=_NOTED_S, poll_s=_POLL_S)
        return None if code is None else told_end(code)

    async def pid(self, daemon: str) -> int | None:
        """Return the daemon's pid on this host, None where it is dead or out of sight."""
        return await self._reach.pid(daemon)

    def no_mounts(self) -> str | None:
        """Return why no file system can be mounted in the container: that is done from this host, by its root."""
        if not isinstance(self._reach, Entered):
            return "mounting in a container needs root on the engine's own machine; run as root there"
        return (
            None
            if shutil.which("mkfs.ext4", path=shell.NODE_PATH)
            else "mkfs.ext4 is missing: install e2fsprogs"
        )

    async def on_machine(self, argv: Sequence[str], timeout_s: float) -> Completed:
        """Run a command on this host, whose kernel and root the engine shares."""
        environment = {"PATH": shell.NODE_PATH, "LC_ALL": "C"}
        return await commands.run(argv, timeout_s=timeout_s, env=environment, check=False)

    def on_machine_path(self, path: str) -> str:
        """Return how this host reaches a path in the container."""
        return f"/proc/{self._entered().init}/root{path}"

    def from_here(self, path: str) -> str:
        """Return how this host reaches a path in the container."""
        return self.on_machine_path(path)

    async def mount(self, image: str, directory: str) -> None:
        """Mount a file of the container among its own mounts: it ends with the container."""
        await self._mounting("mount", image, directory, volumes.OPTIONS)

    async def unmount(self, directory: str) -> None:
        """Unmount it."""
        await self._mounting("unmount", directory)

    async def _mounting(self, *words: str) -> None:
        argv = mounting.command(self._entered().init, *words)
        done = await commands.run(argv, timeout_s=_MOUNT_S, check=False)
        commands.checked(done, f"{self._name}: {' '.join(words)}", check=True)

    def _entered(self) -> Entered:
        if not isinstance(self._reach, Entered):
            raise Broken("no-mounts", f"{self._name}: {self.no_mounts()}")
        return self._reach

    async def wipe(self) -> None:
        """Kill all daemons and empty the node's directory."""
        await self._reach.kill_all()
        await self.run(shell.empty_command(DIRECTORY), timeout_s=30.0)

    async def prepare(self) -> None:
        """Make the node's directory."""
        completed = await self._reach.run(
            ["mkdir", "-p", DIRECTORY], timeout_s=10.0, stdin=b"", env={"PATH": shell.NODE_PATH}, cwd="/"
        )
        commands.checked(completed, f"{self._name}: mkdir {DIRECTORY}", check=True)

    async def recall(self) -> None:
        """Find the executables that an earlier run left in the container's store."""
        found = await self.run(["sh", "-c", f"ls {STORE} 2>/dev/null"], check=False)
        self._stored = {f"{STORE}/{name}" for name in found.stdout.split()}

    async def look(self) -> str:
        """Return what faults change in a node and a wipe must have undone: firewall, packet queues, mounts.

        Call it when no cut is to be made any more: quorate's own tables are removed.
        """
        return (await self.run(["sh", "-c", _LOOK], check=False)).stdout

    def _mark(self, daemon: str) -> str:
        return f"{DAEMON_MARK}={self._name}/{daemon}"

    async def _explain(self, daemon: Daemon) -> NoReturn:
        tail = await self.run(["tail", "-c", "2000", daemon.log], check=False)
        words = (
            tail.stdout.strip() or f"{daemon.argv[0]} is not an executable file, or {daemon.cwd} no directory"
        )
        raise Broken("cannot-start", f"{daemon.name} on {self._name} could not be executed: {words}")

    async def _upload(self, source: Path, target: str, mode: int) -> None:
        def work(api: docker.APIClient) -> None:
            with tempfile.TemporaryFile() as spool:
                _archive(source, target, mode, spool)
                spool.seek(0)
                api.put_archive(self._container, "/", spool)

        await self._engine.call(work, doing=f"copying {source} to {self._name}:{target}")

    def _checksum(self, source: Path) -> str:
        try:
            return uploads.checksum(source)
        except OSError as error:
            raise Broken("cannot-copy", f"{source}: {error.strerror}") from error


def _archive(source: Path, target: str, mode: int, spool: IO[bytes]) -> None:
    """Write a tarball with one file under its full path; the engine makes the directories in between."""
    with source.open("rb") as file, tarfile.open(fileobj=spool, mode="w") as archive:
        header = archive.gettarinfo(arcname=posixpath.normpath(target).lstrip("/"), fileobj=file)
        header.mode, header.uid, header.gid, header.uname, header.gname = mode, 0, 0, "", ""
        archive.addfile(header, file)


def _extract_file(archive: tarfile.TarFile, source: str, target: Path) -> None:
    member = archive.next()
    content = archive.extractfile(member) if member is not None else None
    if content is None:
        raise Broken("cannot-copy", f"{source} is not a file")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(content, file)
