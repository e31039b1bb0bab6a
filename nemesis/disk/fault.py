"""Make the disk of single servers bad: a slow fsync is an ordinary day, a full disk an ordinary end.

The server's own system calls are delayed or failed (strace), so no file system has to be prepared and no other process
notices. Proved by the calls that were touched, each as the tracer wrote it down.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Annotated, Any, Final

import msgspec

from quorate.harness.cluster import doctor
from quorate.harness.core.clock import until
from quorate.harness.core.fault import Plan, Proof, Scene
from quorate.harness.core.finding import Finding
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.settings import Seconds, about
from quorate.nemesis import processes
from quorate.nemesis.disk.tracer import Tracer, is_traced, open_data_files
from quorate.nemesis.nodes import ServerFault
from quorate.nemesis.targets import ANY

_SYNC: Final = ("fsync", "fdatasync")
_WRITE: Final = ("write", "writev", "pwrite64", "pwritev", "fallocate", "ftruncate")
_DELAY_MS: Final = (20.0, 1000.0)
_PROOF_S: Final = 5.0
_POLL_S: Final = 0.02


class Mode(msgspec.Struct, frozen=True):
    """Which calls are touched, and how; `files`: only those on the server's own data."""

    calls: tuple[str, ...]
    action: str
    about: str
    files: bool = False


MODES: Final[Mapping[str, Mode]] = {
    "slow": Mode(_SYNC, "delay_enter", "each fsync takes longer"),
    "failing": Mode(_SYNC, "error=EIO", "each fsync fails: an input/output error"),
    "full": Mode(
        _WRITE, "error=ENOSPC", "each write to a data file fails: no space left on the device", files=True
    ),
}


class DiskSettings(msgspec.Struct, frozen=True):
    """Settings of bad disks."""

    mode: Annotated[
        str,
        about(
            "what is wrong",
            choices={name: mode.about for name, mode in MODES.items()} | {ANY: "drawn"},
        ),
    ] = "slow"
    delay: (
        Annotated[Seconds, about("how much longer an fsync takes, such as 200ms", gt=0, le=10, unset="drawn")]
        | None
    ) = None


class Disk(ServerFault):
    """Make the disk of single servers slow, failing or full."""

    name = "disk"
    crashes = "own"  # most servers rightly stop at an error of their disk
    settings_type = DiskSettings

    def __init__(self, options: DiskSettings) -> None:
        super().__init__(options)
        self._mode = options.mode
        self._delay_s = options.delay
        self._tracers: dict[str, Tracer] = {}
        self._touched: dict[str, int] = {}
        self.downs = (
            self._mode != "slow"
        )  # most servers rightly stop at an error of their disk, none at a slow one

    def probes(self) -> Sequence[Callable[[], Finding]]:
        """Return what it asks of this machine."""
        return (doctor.strace, doctor.ptrace)

    def check(self, scene: Scene) -> None:
        """Raise `UsageError` where the servers' processes are not seen from here."""
        if any(node.netns is None for node in scene.cluster.nodes):
            raise UsageError(
                "disk: the servers must run where this process can trace them (local, or containers as root), not "
                "over SSH or behind the engine's exec"
            )

    def detail(self, rng: Random) -> dict[str, Any]:
        """Decide what is wrong."""
        mode = rng.choice(list(MODES)) if self._mode == ANY else self._mode
        drawn_ms = math.exp(rng.uniform(*map(math.log, _DELAY_MS)))
        delay_ms = round(drawn_ms if self._delay_s is None else self._delay_s * 1e3, 3)
        return {"mode": mode} | ({"delay_ms": delay_ms} if mode == "slow" else {})

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Attach to every target."""
        self._touched.clear()
        await asyncio.gather(*(self._attach(scene, plan, name) for name in plan.nodes))

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Wait until each target has made a call that was touched."""
        del scene

        async def touched() -> dict[str, list[float]]:
            return {
                name: self._tracers[name].touched() if name in self._tracers else [] for name in plan.nodes
            }

        took = await until(touched, lambda found: all(found.values()), deadline_s=_PROOF_S, poll_s=_POLL_S)
        counts = {name: len(lengths) for name, lengths in took.items()}
        told = ", ".join(f"{count} on {name}" for name, count in counts.items())
        text = f"{_in_words(plan)}; calls touched until now: {told}"
        data: dict[str, Any] = {"touched": counts}
        fine = all(counts.values())
        if "delay_ms" in plan.detail and fine:
            shortest_ms = min(length for lengths in took.values() for length in lengths) * 1e3
            text += f", the shortest took {shortest_ms:.1f} ms"
            data["shortest_ms"] = round(shortest_ms, 3)
            fine = shortest_ms >= plan.detail["delay_ms"]
        return Proof(holds=fine, text=text, data=data)

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Detach, and start the servers that have stopped at what they saw."""
        for name in plan.nodes:
            tracer = self._tracers.pop(name, None)
            if tracer is not None:
                self._touched[name] = await tracer.detach()
        await super().heal(scene, plan)

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """See the servers running, and none traced."""
        running = await super().prove_healed(scene, plan)
        daemon = scene.system.daemon
        pids = {node.name: await node.pid(daemon) for node in processes.nodes_of(scene, plan.nodes)}
        traced = [name for name, pid in pids.items() if pid is not None and is_traced(pid)]
        text = f"{running.text}; {sum(self._touched.values())} calls were touched in all"
        if traced:
            text += f"; still traced: {', '.join(traced)}"
        return Proof(holds=running.holds and not traced, text=text, data={"touched": dict(self._touched)})

    async def _attach(self, scene: Scene, plan: Plan, name: str) -> None:
        (node,) = processes.nodes_of(scene, [name])
        pid = await node.pid(scene.system.daemon)
        if pid is None:
            raise Broken("disk", f"the server on {name} is dead, or its process is not seen from this host")
        mode = MODES[str(plan.detail["mode"])]
        paths = []
        if mode.files:
            paths = open_data_files(pid, node.directory, scene.system.log_files(node))
            if not paths:
                raise Broken("disk", f"the server on {name} has no data file open below {node.directory}")
        action = mode.action
        if "delay_ms" in plan.detail:
            action = f"{mode.action}={round(plan.detail['delay_ms'] * 1000)}"
        self._tracers[name] = tracer = Tracer(scene.cluster.run_id)
        await tracer.attach(pid, mode.calls, action, paths)


def _in_words(plan: Plan) -> str:
    more = f" by {plan.detail['delay_ms']:g} ms" if "delay_ms" in plan.detail else ""
    return f"{MODES[str(plan.detail['mode'])].about}{more}"
