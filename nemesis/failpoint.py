"""Failpoints: a server crashes, sleeps or fails at one named line of its code, not somewhere near it.

For servers that are built with them. Points that ordinary load does not pass are triggered: a compaction, a
defragmentation, a snapshot that a server must be sent. Proved by the server itself: its last words name the point, or
its own counter says how often it acted.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Sequence
from random import Random
from typing import Annotated, Final

import msgspec

from quorate.harness.core.clock import until
from quorate.harness.core.duration import parse_duration
from quorate.harness.core.failpoints import Failpoints, Point
from quorate.harness.core.fault import Plan, Proof, Scene, named
from quorate.harness.core.node import Node, ProcessState
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.registry import did_you_mean
from quorate.harness.core.settings import Seconds, about
from quorate.harness.core.system import System, offered
from quorate.nemesis import processes
from quorate.nemesis.nodes import ServerFault
from quorate.nemesis.targets import ANY, FOLLOWER, choose_servers

PANIC, SLEEP, RETURN = "panic", "sleep", "return"
# Points that are passed only by a server that has just started, or that comes back to others far ahead of it.
_START, _SNAPSHOT = "start", "snapshot"
_SLEEP_MS: Final = (50.0, 2000.0)
_SLEEP_MOST_S: Final = 10.0
_LAG_S: Final = 40.0
_POLL_S: Final = 0.05
_ARMED_S: Final = 5.0


class FailpointSettings(msgspec.Struct, frozen=True):
    """Settings of failpoints."""

    name: (
        Annotated[
            str, about("the point, such as raftBeforeSave", unset="drawn from those that this run can reach")
        ]
        | None
    ) = None
    action: Annotated[str, about("panic, sleep(1s), or any: panic, or sleep for 50 ms to 2 s")] = ANY
    within: Annotated[Seconds, about("how long to wait until it has acted", gt=0, le=18)] = 10.0

    def __post_init__(self) -> None:
        """Raise `ValueError` for an action that cannot be."""
        _action(self.action)


class Failpoint(ServerFault):
    """Let servers crash, sleep or fail at a named line of their code, as builds with failpoints can."""

    name = "failpoint"
    targets = (ANY, "leader", FOLLOWER, "one", "minority", "all")
    crashes = "own"
    deadline_s = 60.0  # a server that is to be sent a snapshot is held down until the others are far enough
    settings_type = FailpointSettings

    def __init__(self, options: FailpointSettings) -> None:
        super().__init__(options)
        self._name = options.name
        self._action = _action(options.action)
        self._within_s = options.within
        self._words = 0
        self._word = ""

    def suits(self, system: System) -> None:
        """Raise `UsageError` for servers without failpoints."""
        if (why := _failpoints(system).missing()) is not None:
            raise UsageError(f"failpoint: {why}")

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide the point, what is done there, and to whom."""
        point = self._choose(await self._listed(scene), rng)
        action = self._draw(point, rng)
        if target == ANY:
            target = point.role or rng.choice(("leader", "one"))
            target = target if self.obstacle(target, len(scene.cluster.nodes)) is None else "one"
        resolved, names = await choose_servers(scene, target, rng)
        return named(names, self.name, resolved, point=point.name, action=action, trigger=point.trigger)

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Arm it at every target; those that must come back to pass it are killed first."""
        self._words += 1
        # gofail ends a panic with these words; they distinguish this injection from earlier ones in the same log.
        self._word = f"{plan.detail['point']} {self._words}"
        nodes = processes.nodes_of(scene, plan.nodes)
        if plan.detail.get("trigger") in (_START, _SNAPSHOT):
            await self._restart_armed(scene, plan, nodes)
            return
        points = _failpoints(scene.system)
        await asyncio.gather(*(points.arm(node, _point(plan), self._armed(plan)) for node in nodes))

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Pull the trigger until every target has passed the point, by its last words or its own counter."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._within_s
        nodes = processes.nodes_of(scene, plan.nodes)
        bitten: dict[str, str] = {}
        round_ = 0
        # Not `until`: between looks it pulls the trigger.
        while True:
            waiting = [node for node in nodes if node.name not in bitten]
            found = await asyncio.gather(*(self._bitten(scene, plan, node) for node in waiting))
            bitten |= {node.name: why for node, why in zip(waiting, found, strict=True) if why}
            if len(bitten) == len(nodes) or loop.time() >= end:
                break
            await self._pull(scene, plan, [node for node in waiting if node.name not in bitten], round_)
            round_ += 1
            await asyncio.sleep(_POLL_S)
        never = [name for name in plan.nodes if name not in bitten]
        told = [f"{name}: {bitten[name]}" for name in plan.nodes if name in bitten]
        told += [f"{', '.join(never)} did not pass it within {self._within_s:g} s"] if never else []
        text = f"{_point(plan)}={plan.detail['action']}; {'; '.join(told)}"
        return Proof(holds=not never, text=text, data={"passed": sorted(bitten)})

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Disarm it, and start the servers that it ended."""
        points = _failpoints(scene.system)
        nodes = processes.nodes_of(scene, plan.nodes)
        for node in nodes:
            points.at_start(node, "")
        await asyncio.gather(*(points.disarm(node, _point(plan)) for node in nodes))
        await super().heal(scene, plan)

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """See every target running, with nothing armed, as it says itself."""
        running = await super().prove_healed(scene, plan)
        wrong = [
            why
            for node in processes.nodes_of(scene, plan.nodes)
            if (why := await self._still(scene, plan, node))
        ]
        text = running.text + (f"; {'; '.join(wrong)}" if wrong else f"; {_point(plan)} is disarmed")
        return Proof(holds=running.holds and not wrong, text=text)

    async def _listed(self, scene: Scene) -> Sequence[Point]:
        """Return what the first server that answers lists."""
        why: Broken | None = None
        for node in scene.cluster.nodes:
            try:
                return await _failpoints(scene.system).points(node)
            except Broken as error:
                why = error
        raise why or Broken("no-failpoints", "there is no node")

    def _choose(self, points: Sequence[Point], rng: Random) -> Point:
        able = [point for point in points if not point.needs and self._possible(point)]
        drawn = rng.random()
        if self._name is None:
            if not able:
                raise Broken("no-failpoints", "no failpoint of these servers can be reached in this run")
            return able[int(drawn * len(able))]
        point = next((point for point in points if point.name == self._name), None)
        if point is None:
            names = [point.name for point in points]
            hint = did_you_mean(self._name, names)
            raise Broken(
                "no-failpoint",
                f"the servers have no failpoint {self._name}{hint}; there are {', '.join(names)}",
            )
        if point.needs:
            raise Broken("out-of-reach", f"{point.name} is not passed in this run: {point.needs}")
        return point

    def _possible(self, point: Point) -> bool:
        return self._action == ANY or self._action.partition("(")[0] in point.actions

    def _draw(self, point: Point, rng: Random) -> str:
        """Return the action as it is armed, but for its words. Draws the same whatever is asked for."""
        kind = point.actions[int(rng.random() * len(point.actions))]
        sleep = f"{SLEEP}({round(math.exp(rng.uniform(*map(math.log, _SLEEP_MS))))})"
        if self._action != ANY and (self._name is not None or self._possible(point)):
            return self._action
        return sleep if kind == SLEEP else kind

    def _armed(self, plan: Plan) -> str:
        action = str(plan.detail["action"])
        return f'{action}("{self._word}")' if action in (PANIC, RETURN) else action

    async def _restart_armed(self, scene: Scene, plan: Plan, nodes: Sequence[Node]) -> None:
        points = _failpoints(scene.system)
        await processes.kill_all(scene, plan.nodes)
        if plan.detail.get("trigger") == _SNAPSHOT:
            await self._until_far_behind(scene, plan)
        for node in nodes:
            points.at_start(node, f"{_point(plan)}={self._armed(plan)}")
        await asyncio.gather(*(scene.system.start(scene.cluster, node) for node in nodes))

    async def _until_far_behind(self, scene: Scene, plan: Plan) -> None:
        """Wait until the others have applied so much that they must send a snapshot."""
        lag = _failpoints(scene.system).lag
        first = now = 0

        async def applied_since() -> int:
            nonlocal first, now
            now = await _applied(scene, plan.nodes) or now
            first = first or now
            return now - first

        done = await until(applied_since, lambda count: count > lag, deadline_s=_LAG_S, poll_s=_POLL_S)
        if done <= lag:
            raise Broken(
                "no-snapshot",
                f"the others applied {done} entries in {_LAG_S:g} s, a snapshot is sent after {lag}: "
                "raise --rate, or lower snapshot_count and catchup_entries",
            )

    async def _pull(self, scene: Scene, plan: Plan, nodes: Sequence[Node], round_: int) -> None:
        trigger = str(plan.detail.get("trigger", ""))
        if trigger and trigger not in (_START, _SNAPSHOT):
            points = _failpoints(scene.system)
            await asyncio.gather(*(points.pull(scene.cluster, node, trigger, round_) for node in nodes))

    async def _bitten(self, scene: Scene, plan: Plan, node: Node) -> str:
        """Return how it is known that the server has passed the point; empty while it is not."""
        if plan.detail["action"] != PANIC:
            hits = await _failpoints(scene.system).hits(node, _point(plan))
            return f"its own counter says that it acted {hits} times" if hits else ""
        if await node.state(scene.system.daemon) is not ProcessState.DEAD:
            return ""
        words = f"failpoint panic: {self._word}"
        logs = list(scene.system.log_files(node))
        found = await node.run(["grep", "-qF", words, *logs], check=False)
        return f'dead, and its log ends with "{words}"' if found.code == 0 else ""

    async def _still(self, scene: Scene, plan: Plan, node: Node) -> str:
        """Return what is wrong with a server that should have nothing armed any more."""
        armed = await until(
            lambda: _failpoints(scene.system).armed(node),
            lambda found: found is not None,
            deadline_s=_ARMED_S,
            poll_s=_POLL_S,
        )
        if armed is None:
            return f"{node.name} does not list its failpoints"
        return f"{_point(plan)} is still armed on {node.name}" if _point(plan) in armed else ""


def _failpoints(system: System) -> Failpoints:
    return offered(system.failpoints, f"failpoint: the code of {system.name} has no failpoints (etcd's has)")


def _action(text: str) -> str:
    """Return `panic`, `any`, or a sleep in milliseconds; raise `ValueError` for anything else."""
    if text in (PANIC, ANY):
        return text
    match = re.fullmatch(r"sleep\((.+)\)", text)
    try:
        seconds = parse_duration(match.group(1)) if match else 0.0
    except ValueError as error:
        raise ValueError(f"action={text}: {error}") from error
    if not 0 < seconds <= _SLEEP_MOST_S:
        raise ValueError(f"action={text}: write panic, any, or sleep(1s), of {_SLEEP_MOST_S:g} s at most")
    return f"{SLEEP}({max(1, round(seconds * 1e3))})"


def _point(plan: Plan) -> str:
    return str(plan.detail["point"])


async def _applied(scene: Scene, without: Sequence[str]) -> int | None:
    """Return how far the others have come: the one that has applied least."""
    statuses = await scene.system.status(scene.cluster)
    applied = [one.applied for one in statuses if one.node not in without and one.applied is not None]
    return min(applied, default=None)
