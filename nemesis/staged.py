"""A staged walk over who is down: one server goes as another comes back, and a majority is alive all the time.

Many bugs of replication need a sequence, not a fault: A dies, the others continue, A comes back and B dies before A has
caught up, then the leader. Each step starts servers, stops others, or both with a moment between, drawn from the run's
seed; the leader is looked up when its turn comes. Proved step by step by the process table, and never more than a
minority was down. Servers that are down at the end of the walk stay so until the healing.
"""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import Callable, Sequence
from random import Random
from typing import Annotated, Any, Final

import msgspec

from quorate.harness.core.fault import Plan, Proof, Scene, named
from quorate.harness.core.finding import Finding
from quorate.harness.core.node import ProcessState
from quorate.harness.core.outcome import Broken
from quorate.harness.core.settings import Seconds, about
from quorate.harness.core.system import System
from quorate.nemesis import processes
from quorate.nemesis.nodes import ServerFault
from quorate.nemesis.powerloss import PowerLoss, PowerLossSettings
from quorate.nemesis.targets import ANY, leader_of, present

KILL, PAUSE, POWERLOSS = "kill", "pause", "powerloss"
_LEADER: Final = "leader"
_LEADER_SHARE: Final = 0.35
_LEAST_S, _MOST_S = 0.05, 2.0  # between steps, on a logarithmic scale
_SWAP_S: Final = 0.4  # at most, between a return and the fall that follows it
_WANTED: Final = {KILL: ProcessState.DEAD, PAUSE: ProcessState.STOPPED, POWERLOSS: ProcessState.DEAD}
_LEAST_NODES: Final = 3


class StagedSettings(msgspec.Struct, frozen=True):
    """Settings of staged walks."""

    how: Annotated[
        tuple[str, ...],
        about("how servers fall, one or several with commas", choices=(KILL, PAUSE, POWERLOSS)),
    ] = (KILL, PAUSE)
    steps: Annotated[int, about("steps of a walk, up to 40", ge=2, le=40)] = 6
    pace: (
        Annotated[
            Seconds,
            about("time between steps, such as 500ms", gt=0, le=_MOST_S, unset="drawn from 50ms to 2s"),
        ]
        | None
    ) = None


class Staged(ServerFault):
    """Let servers fall and come back in a drawn order, a minority at a time."""

    name = "staged"
    targets = (ANY,)
    deadline_s = 150.0
    settings_type = StagedSettings

    def __init__(self, options: StagedSettings) -> None:
        super().__init__(options)
        self._how = options.how
        self._steps = options.steps
        self._pace_s = options.pace
        self._power = PowerLoss(PowerLossSettings()) if POWERLOSS in self._how else None
        self._walk = Walk()

    @classmethod
    def obstacle(cls, target: str, count: int) -> str | None:
        """Return why a cluster of `count` nodes can never have it, or None."""
        del target
        return (
            None
            if count >= _LEAST_NODES
            else f"staged needs at least {_LEAST_NODES} nodes, the cluster has {count}"
        )

    def probes(self) -> Sequence[Callable[[], Finding]]:
        """Return what it asks of this machine."""
        return self._power.probes() if self._power is not None else ()

    def suits(self, system: System) -> None:
        """Raise `UsageError` for a system without disks where power cuts were asked for."""
        if self._power is not None:
            self._power.suits(system)

    async def prepare(self, scene: Scene) -> None:
        """Give every node's data a separate file system where power cuts were asked for."""
        if self._power is not None:
            await self._power.prepare(scene)

    async def begin(self, scene: Scene) -> None:
        """Sync once, for the same."""
        if self._power is not None:
            await self._power.begin(scene)

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide the walk."""
        names = present(scene)
        if (why := self.obstacle(target, len(names))) is not None:
            raise Broken("impossible-target", why)
        if target != ANY:
            raise Broken("impossible-target", f"staged goes over all nodes, not over {target}")
        steps = drawn(names, rng, steps=self._steps, how=self._how, pace_s=self._pace_s)
        return named(names, self.name, target, steps=steps)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Walk, and see each step's effect before the next."""
        self._walk = Walk()
        most = (len(plan.nodes) - 1) // 2
        for step in plan.detail["steps"]:
            await asyncio.sleep(float(step["wait_s"]))
            if step["up"]:
                await self._up(scene, step["up"])
                await asyncio.sleep(float(step.get("swap_s", 0.0)))
            if step["down"] and len(self._walk.down) < most:
                await self._down(scene, await self._named(scene, step["down"]), str(step["how"]))
            await self._look(scene, most)

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Report the steps as they were seen."""
        del scene
        walk = self._walk
        wrong = f"; not as planned: {', '.join(walk.wrong)}" if walk.wrong else ""
        told = ", ".join(walk.told)
        text = f"{walk.falls} falls in {len(plan.detail['steps'])} steps, by the process table: {told}{wrong}"
        return Proof(
            holds=walk.falls > 0 and not walk.wrong,
            text=text,
            data={"falls": walk.falls, "most_down": walk.most_down},
        )

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Resume all."""
        await processes.signal_all(scene, plan.nodes, signal.SIGCONT)
        await super().heal(scene, plan)
        self._walk.down.clear()

    async def _up(self, scene: Scene, who: str) -> None:
        """Bring one back that is down: the one named, or, where the leader fell in its place, the one that did."""
        if not self._walk.down:
            return
        name = who if who in self._walk.down else next(iter(self._walk.down))
        how = self._walk.down.pop(name)
        if how == PAUSE:
            await processes.signal_all(scene, [name], signal.SIGCONT)
        else:
            await self._restarts.start_dead(scene, [name])
        self._walk.told.append(f"{name} back")

    async def _down(self, scene: Scene, name: str, how: str) -> None:
        if name in self._walk.down:
            return
        self._walk.down[name] = how
        if how == POWERLOSS and self._power is not None:
            await self._power.inject(scene, named([name], POWERLOSS, name))
        else:
            await processes.signal_all(scene, [name], signal.SIGKILL if how == KILL else signal.SIGSTOP)
        found = await processes.wait_for(scene, [name], frozenset({_WANTED[how]}), processes.DEATH_S)
        if found[name] is _WANTED[how]:
            self._walk.falls += 1
            self._walk.told.append(f"{name} {found[name].value}")
        else:
            self._walk.wrong.append(f"{name} {found[name].value} after {how}")

    async def _named(self, scene: Scene, who: str) -> str:
        """Return the server meant; where no leader is known just now, any that is up."""
        if who != _LEADER:
            return who
        try:
            return await leader_of(scene)
        except Broken:
            return next(node.name for node in scene.cluster.nodes if node.name not in self._walk.down)

    async def _look(self, scene: Scene, most: int) -> None:
        """Note servers that should run and do not; more than a minority down would be another fault."""
        found = await processes.states(scene, [node.name for node in scene.cluster.nodes])
        down = {name for name, state in found.items() if state is not ProcessState.RUNNING}
        self._walk.most_down = max(self._walk.most_down, len(down))
        self._walk.wrong += [f"{name} {found[name].value}" for name in sorted(down - set(self._walk.down))]
        if len(down) > most:
            raise Broken("majority-down", f"{', '.join(sorted(down))} are down: a majority must live")


class Walk:
    """How far a walk has come: who is down and how, and what was seen."""

    def __init__(self) -> None:
        self.down: dict[str, str] = {}
        self.told: list[str] = []
        self.wrong: list[str] = []
        self.falls = 0
        self.most_down = 0


def drawn(
    names: Sequence[str], rng: Random, *, steps: int, how: Sequence[str], pace_s: float | None
) -> list[dict[str, Any]]:
    """Draw a walk. The draws follow who would be down if every leader were somebody who is up."""
    most = (len(names) - 1) // 2
    down: list[str] = []
    found: list[dict[str, Any]] = []
    for _ in range(steps):
        wait_s = math.exp(rng.uniform(math.log(_LEAST_S), math.log(_MOST_S))) if pace_s is None else pace_s
        step: dict[str, Any] = {
            "wait_s": round(wait_s, 3),
            "up": "",
            "down": "",
            "how": rng.choice(list(how)),
        }
        rise, swap_s = rng.random(), rng.uniform(0.0, _SWAP_S)
        if down and (len(down) >= most or rise < 0.5):  # noqa: PLR2004 - a coin
            step["up"] = down.pop(rng.randrange(len(down)))
            step["swap_s"] = round(swap_s, 3)
        fall = rng.random()
        if len(down) < most and (not step["up"] or rise < 0.85):  # noqa: PLR2004 - now and then all are up
            up = [name for name in names if name not in down and name != step["up"]]
            chosen = rng.choice(up)
            step["down"] = _LEADER if fall < _LEADER_SHARE else chosen
            down.append(chosen)
        found.append(step)
    return found
