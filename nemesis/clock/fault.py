"""Skew the clocks of servers: leases, timeouts and timestamps trust them more than they should.

A helper patches the clock functions of the one process (its private copy of the vDSO): no host clock moves, nothing is
preloaded, static Go binaries are covered. Proved by reading the clock through the process' own patched code, beside
the true one, and by the host's clock not having moved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Annotated, Final

import msgspec

from quorate.harness.cluster import doctor
from quorate.harness.core.fault import Plan, Proof, Scene
from quorate.harness.core.finding import Finding
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.settings import Seconds, about
from quorate.nemesis import processes
from quorate.nemesis.clock.build import helper
from quorate.nemesis.clock.modes import EXACT_NS, MODES, VARIED, S, in_words, mismatch, options
from quorate.nemesis.clock.tool import Change, ClockTool, Reading
from quorate.nemesis.nodes import NodeFault
from quorate.nemesis.targets import ANY, choose

_SPAN_S: Final = 0.25
_READINGS_MAX: Final = 12
_READINGS_TOLD: Final = 4
_HOST_MOVED_NS: Final = 50_000_000  # NTP may slew a little; a skew that leaked to the host would be far more
_FASTEST: Final = 1.0001


def _helper() -> Finding:
    """Whether the clock helper is there, or can be compiled here."""
    name = "clock helper"
    try:
        helper()
    except Broken as error:
        return Finding(name, ok=False, reason=error.text, mend="apt-get install gcc libc6-dev")
    return Finding(name, ok=True)


class ClockSettings(msgspec.Struct, frozen=True):
    """Settings of skewed clocks."""

    mode: Annotated[
        str,
        about(
            "how the clock is wrong",
            choices={name: mode.about for name, mode in MODES.items()}
            | {ANY: "one of the first four, drawn"},
        ),
    ] = ANY
    size: (
        Annotated[Seconds, about("size of a jump, a strobe or a step, such as 300ms or -2m", unset="drawn")]
        | None
    ) = None


class Clock(NodeFault):
    """Skew the clocks of single servers: jumps, drifts and strobes, wall clock or both. No host clock moves."""

    name = "clock"
    on_theirs = "patching"
    settings_type = ClockSettings

    def __init__(self, options: ClockSettings) -> None:
        super().__init__(options)
        self._mode = options.mode
        self._size_ns = None if options.size is None else round(options.size * S)
        self._tools: dict[str, ClockTool] = {}
        self._anchors: dict[str, int] = {}
        self._changes: dict[str, Change] = {}
        self._ahead: dict[str, int] = {}  # monotonic clocks that an earlier skew left ahead

    def probes(self) -> Sequence[Callable[[], Finding]]:
        """Return what it asks of this machine."""
        return (doctor.ptrace, _helper)

    def check(self, scene: Scene) -> None:
        """Raise `UsageError` where the system's runtime cannot live with the mode; has the helper compiled."""
        if scene.system.virtual:
            raise UsageError(f"clock: {scene.system.name} has no processes whose clocks could be skewed")
        reason = _refusal(self._mode, scene) if self._mode != ANY else None
        if reason is not None:
            raise UsageError(reason)
        helper()

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide the mode, and for each node a skew."""
        mode = self._mode
        if mode == ANY:
            mode = rng.choice([name for name in VARIED if _refusal(name, scene) is None])
        reason = _refusal(mode, scene)
        if reason is not None:
            raise Broken("impossible-mode", reason)
        resolved, names = await choose(scene, target, rng)
        skews = {name: MODES[mode].decide(rng, self._size_ns) for name in sorted(names)}
        return Plan(self.name, resolved, tuple(sorted(names)), {"mode": mode, "skews": skews})

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Patch every target that lives; each stands still for less than a millisecond, usually."""
        tools = await self._living(scene, plan)
        if not tools:
            raise Broken("dead", f"no server lives on {', '.join(plan.nodes)}: no clock to skew")
        hosts = await asyncio.gather(*(tool.host() for tool in tools.values()))
        self._anchors = {name: host.anchor_ns for name, host in zip(tools, hosts, strict=True)}
        await asyncio.gather(*(self._set(plan, name, tool) for name, tool in tools.items()))

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Read the clocks as the processes see them, over a while where the skew changes with time."""
        tools = await self._living(scene, plan)
        if not tools:
            return Proof(holds=False, text=f"no server lives on {', '.join(plan.nodes)}")
        readings = dict(
            zip(
                tools,
                await asyncio.gather(*(self._watch(plan, tools[name], name) for name in tools)),
                strict=True,
            )
        )
        wrong, data = [], {}
        for name, seen in readings.items():
            skew = plan.detail["skews"][name]
            reason = mismatch(skew, seen, ahead_ns=self._ahead.get(name, 0))
            if reason is not None:
                wrong.append(f"{name}: {reason}")
            data[name] = {
                "real_off_ns": [one.real.off_ns for one in seen[-_READINGS_TOLD:]],
                "mono_off_ns": [one.mono.off_ns for one in seen[-_READINGS_TOLD:]],
                "stopped_us": self._changes[name].stopped_us if name in self._changes else None,
            }
        wrong += await self._moved_hosts(tools)
        if wrong:
            return Proof(holds=False, text=f"not as planned: {'; '.join(wrong)}", data=data)
        told = "; ".join(f"{name}: {in_words(plan.detail['skews'][name])}" for name in tools)
        return Proof(
            holds=True,
            text=f"as the process itself reads it: {told}; the host's clock did not move",
            data=data,
        )

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Give every living target its true wall clock back.

        A monotonic clock that is ahead must not go back: it stays ahead, at the true rate, until the server restarts.
        """
        tools = (await self._living(scene, plan)).values()
        await asyncio.gather(*(self._heal_one(tool) for tool in tools))

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """Read the clocks as the processes see them: wall clock true, monotonic clock at its true rate."""
        tools = await self._living(scene, plan)
        wrong, kept, data = [], [], {}
        for name, tool in tools.items():
            seen = await tool.read()
            off = seen.mono.off_ns
            data[name] = {"real_off_ns": seen.real.off_ns, "mono_off_ns": off}
            if abs(seen.real.off_ns) > EXACT_NS or seen.real.rate != 1 or seen.real.period_ns:
                wrong.append(f"{name}: wall clock still {seen.real.off_ns / S:+.4f} s off")
            if off < -EXACT_NS or seen.mono.rate != 1 or seen.mono.period_ns:
                wrong.append(f"{name}: monotonic clock still {off / S:+.4f} s off at rate {seen.mono.rate:g}")
            if off > EXACT_NS:
                kept.append(f"{name}'s monotonic clock stays {off / S:.3f} s ahead until its restart")
        wrong += await self._moved_hosts(tools)
        if wrong:
            return Proof(holds=False, text="; ".join(wrong), data=data)
        return Proof(
            holds=True, text="; ".join(["wall clocks are true as the processes read them", *kept]), data=data
        )

    async def renew(self, scene: Scene, plan: Plan) -> None:
        """Skew servers that were restarted while the fault is in force: a new process has true clocks."""
        for name, tool in (await self._living(scene, plan)).items():
            if not (await tool.read()).patched:
                await self._set(plan, name, tool)

    async def _set(self, plan: Plan, name: str, tool: ClockTool) -> None:
        before = await tool.read()
        self._ahead[name] = before.mono.off_ns if before.patched else 0
        skew = plan.detail["skews"][name]
        self._changes[name] = await tool.set(options(skew, ahead_ns=self._ahead[name]))

    async def _heal_one(self, tool: ClockTool) -> None:
        seen = await tool.read()
        if not seen.patched:
            return
        if seen.mono.rate > _FASTEST or seen.mono.off_ns > EXACT_NS:
            await tool.set(
                [
                    "--real-rate=1",
                    "--real-offset=0",
                    "--real-strobe=0,0",
                    "--mono-rate=1",
                    "--mono-strobe=0,0",
                ]
            )
        else:
            await tool.remove()

    async def _watch(self, plan: Plan, tool: ClockTool, name: str) -> Sequence[Reading]:
        """Return readings enough to see the skew: one, or several over a quarter of a second."""
        readings = [await tool.read()]
        if not MODES[plan.detail["mode"]].forever:
            return readings
        skew = plan.detail["skews"][name]
        for turn in range(_READINGS_MAX):
            # Uneven steps, so that no strobe is in step with them.
            period_s = skew.get("real_period_ns", 0) / S
            await asyncio.sleep(
                (_SPAN_S / 4 if not period_s else min(_SPAN_S / 4, 0.71 * period_s)) * (1 + turn / 7)
            )
            readings.append(await tool.read())
            long_enough = readings[-1].real.true_ns - readings[0].real.true_ns >= _SPAN_S * S
            wrong = mismatch(skew, readings, ahead_ns=self._ahead.get(name, 0))
            if wrong is None and (long_enough or period_s):
                break
        return readings

    async def _moved_hosts(self, tools: Mapping[str, ClockTool]) -> list[str]:
        moved = []
        for name, tool in tools.items():
            if name not in self._anchors:
                continue
            shift = (await tool.host()).anchor_ns - self._anchors[name]
            if abs(shift) > _HOST_MOVED_NS:
                moved.append(f"the host of {name} moved its clock by {shift / S:+.3f} s")
        return moved

    async def _living(self, scene: Scene, plan: Plan) -> dict[str, ClockTool]:
        """Return the targets whose server runs; others are skewed when they are restarted."""
        return {
            name: tool
            for name, tool in self._tools_of(scene, plan).items()
            if not await _is_dead(scene, name)
        }

    def _tools_of(self, scene: Scene, plan: Plan) -> dict[str, ClockTool]:
        for node in processes.nodes_of(scene, plan.nodes):
            if node.name not in self._tools:
                self._tools[node.name] = ClockTool(node, scene.system.daemon)
        return {name: self._tools[name] for name in plan.nodes}


async def _is_dead(scene: Scene, name: str) -> bool:
    (node,) = processes.nodes_of(scene, [name])
    return await node.state(scene.system.daemon) is ProcessState.DEAD


def _refusal(mode: str, scene: Scene) -> str | None:
    if scene.system.runtime == "jvm" and MODES[mode].monotonic:
        return (
            f"clock.mode={mode} moves the monotonic clock, and the JVM of {scene.system.name} waits for absolute "
            "times that the kernel meets by the true one: its sleeps would all be wrong. Use jump, drift or strobe "
            "of the wall clock, or -f pause for a process that loses time"
        )
    return None
