"""The clock helper at work on one server: from this host by its pid, or inside the node where pids are unseen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

import msgspec

from quorate.harness.cluster import commands
from quorate.harness.cluster.processes import DAEMON_MARK
from quorate.harness.core.node import Completed, Node
from quorate.harness.core.outcome import Broken
from quorate.nemesis.clock.build import helper
from quorate.nemesis.clock.compiling import NAME

_TIMEOUT_S: Final = 10.0


class Seen(msgspec.Struct, frozen=True):
    """One family of clocks: true time, and time as the process sees it through its own (patched) vDSO."""

    true_ns: int
    seen_ns: int
    rate: float
    period_ns: int
    strobe_ns: int

    @property
    def off_ns(self) -> int:
        """How far the seen time is ahead."""
        return self.seen_ns - self.true_ns


class Reading(msgspec.Struct, frozen=True):
    """The clocks of a process at one moment; `patched` says whether the helper is in it."""

    pid: int
    patched: bool
    real: Seen
    mono: Seen


class Change(msgspec.Struct, frozen=True):
    """What a change did to the process: for how long it stood still, in microseconds."""

    pid: int
    stopped_us: int
    threads: int = 0


class HostTime(msgspec.Struct, frozen=True):
    """A host's true clocks."""

    real_ns: int
    mono_ns: int

    @property
    def anchor_ns(self) -> int:
        """The moment at which the monotonic clock was zero: it moves when the wall clock is set."""
        return self.real_ns - self.mono_ns


class ClockTool:
    """The clocks of the server on one node."""

    def __init__(self, node: Node, daemon: str) -> None:
        self._node = node
        self._daemon = daemon
        self._inside: str | None = None

    async def set(self, options: Sequence[str]) -> Change:
        """Install or change a skew; options as the helper takes them (`--real-offset=NS`, …)."""
        return msgspec.json.decode(await self._run("set", options), type=Change)

    async def remove(self) -> Change:
        """Give the process its own clock functions back; nothing happens where they are its own."""
        return msgspec.json.decode(await self._run("remove"), type=Change)

    async def read(self) -> Reading:
        """Return the clocks as the process sees them; it is not stopped for that."""
        return msgspec.json.decode(await self._run("read"), type=Reading)

    async def host(self) -> HostTime:
        """Return the true clocks of the machine that the server runs on."""
        if await self._node.pid(self._daemon) is not None:
            return HostTime(time.time_ns(), time.monotonic_ns())
        done = await self._node.run([await self._placed(), "host"], timeout_s=_TIMEOUT_S)
        return msgspec.json.decode(done.stdout, type=HostTime)

    async def _run(self, command: str, options: Sequence[str] = ()) -> str:
        pid = await self._node.pid(self._daemon)
        if pid is not None:
            path = await asyncio.to_thread(helper)
            done = await commands.run(
                [str(path), command, str(pid), *options], timeout_s=_TIMEOUT_S, check=False
            )
        else:
            who = f"mark:{DAEMON_MARK}={self._node.name}/{self._daemon}"
            argv = [await self._placed(), command, who, *options]
            done = await self._node.run(argv, timeout_s=_TIMEOUT_S, check=False)
        return self._checked(command, done)

    def _checked(self, command: str, done: Completed) -> str:
        if done.code != 0:
            raise Broken(
                "clock", f"{command} on {self._node.name}: {done.stderr.strip() or f'code {done.code}'}"
            )
        return done.stdout

    async def _placed(self) -> str:
        """Put the helper on the node, once; the node's own directory goes with the run."""
        if self._inside is None:
            target = str(PurePosixPath(self._node.directory) / f".{NAME}")
            await self._node.put(await asyncio.to_thread(helper), target, mode=0o755)
            self._inside = target
        return self._inside
