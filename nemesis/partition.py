"""Cut the network between servers: the oldest way to two leaders, stale reads and lost writes.

Packets of the cut directions are dropped where they come in (harness.cluster.network); clients reach every node all
the time. Proved by a probe packet over every direction between nodes: exactly the cut ones die.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Annotated, Any, Final

from quorate.harness.cluster import doctor
from quorate.harness.core.fault import Fault, Plan, Proof, Scene
from quorate.harness.core.finding import Finding
from quorate.harness.core.outcome import Broken
from quorate.harness.core.settings import Seconds, about
from quorate.harness.core.system import System
from quorate.nemesis.flapping import Flapping
from quorate.nemesis.grudges import ALIASES, SHAPES, split
from quorate.nemesis.targets import ANY, check_names, leader_of, names_of, present
from quorate.nemesis.triggers import Trigger, TriggerSettings

_VARIED: Final = (
    "leader",
    "majority",
    "one",
    "halves",
    "bridge",
    "majorities-ring",
    "one-way",
    "leader-one-way",
)


class PartitionSettings(TriggerSettings, frozen=True):
    """Settings of partitions."""

    flap: (
        Annotated[
            Seconds,
            about(
                "the cut comes and goes, each for so long, such as 500ms", ge=0.02, le=10, unset="it lasts"
            ),
        ]
        | None
    ) = None


class Partition(Fault):
    """Cut the network between servers, in one or both directions; clients reach every server all the time.

    `grudges.SHAPES` lists the targets; names such as `n1+n3` mean these nodes against the others.
    """

    name = "partition"
    on_theirs = "inside"
    targets = (ANY, *SHAPES, *ALIASES)
    holds = True
    settings_type = PartitionSettings

    def __init__(self, options: PartitionSettings) -> None:
        super().__init__(options)
        self._trigger = Trigger(options)
        self._flapping = Flapping(options.flap)
        self._took_s = 0.0
        self._dropped: int | None = None

    @classmethod
    def obstacle(cls, target: str, count: int) -> str | None:
        """Return why a cluster of `count` nodes can never be cut so, or None."""
        choices = ALIASES.get(target, (target,))
        least = min((SHAPES[name].least for name in choices if name in SHAPES), default=2)
        if count < least:
            return f"a partition of {target} needs at least {least} nodes, the cluster has {count}"
        return None

    def suits(self, system: System) -> None:
        """Raise `UsageError` where the log that it is to wait for cannot be watched."""
        self._trigger.suits(system)

    def probes(self) -> Sequence[Callable[[], Finding]]:
        """Return what it asks of this machine."""
        return (doctor.cuts,)

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide which directions die."""
        names = present(scene)
        if target == ANY:
            possible = [name for name in _VARIED if self.obstacle(name, len(names)) is None]
            if not possible:
                raise Broken("impossible-target", self.obstacle("one", len(names)) or "")
            target = rng.choice(possible)
        reason = self.obstacle(target, len(names))
        if reason is not None:
            raise Broken("impossible-target", reason)
        order = rng.sample(names, len(names))
        shape_name = rng.choice(ALIASES.get(target, (target,)))
        shape = SHAPES.get(shape_name)
        if shape is None:
            grudge = split(*_sides(target, names))
        else:
            if shape.led:
                leader = await leader_of(scene)
                order = [leader, *(name for name in order if name != leader)]
            grudge = shape.make(order)
        return Plan(
            fault=self.name,
            target=shape_name,
            nodes=tuple(sorted(grudge.nodes)),
            detail={"cut": [list(pair) for pair in sorted(grudge.pairs)], "about": _about(shape_name)},
        )

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Cut exactly the planned directions, at once or when a log says what it was asked to wait for."""
        self._dropped = None
        await self._trigger.wait(scene, *plan.nodes)
        begin = asyncio.get_running_loop().time()
        await scene.cluster.network.cut(_cut(plan))
        self._took_s = asyncio.get_running_loop().time() - begin

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Probe every direction: the cut ones are dead, all others alive. Then let the cut come and go, if asked to."""
        proof = await self._probe(scene, _cut(plan), "cut")
        if proof.holds:
            self._flapping.begin(scene.cluster.network, _cut(plan))
        return Proof(holds=proof.holds, text=f"{proof.text}{self._trigger.told}", data=proof.data)

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Remove every cut, having asked how many packets died in it where that can be counted."""
        del plan
        await self._flapping.end()
        with contextlib.suppress(Broken):  # a count is not worth a healing
            if (count := await scene.cluster.network.dropped()) is not None:
                self._dropped = (self._dropped or 0) + count
        begin = asyncio.get_running_loop().time()
        await scene.cluster.network.heal()
        self._took_s = asyncio.get_running_loop().time() - begin

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """Probe every direction: all alive. Reports how many packets the cut swallowed."""
        del plan
        proof = await self._probe(scene, frozenset(), "healed")
        if self._flapping.asked:
            text, holds = self._flapping.told
            proof = Proof(holds=proof.holds and holds, text=f"{proof.text}; {text}", data=proof.data)
        if self._dropped is None:
            return proof
        text = f"{proof.text}; {self._dropped} packets died in the cut, probes included"
        return Proof(holds=proof.holds, text=text, data={**proof.data, "dropped": self._dropped})

    async def _probe(self, scene: Scene, dead: frozenset[tuple[str, str]], what: str) -> Proof:
        names = [node.name for node in scene.cluster.nodes]
        pairs = [(one, other) for one in names for other in names if one != other]
        arrived = await scene.cluster.network.probe(pairs)
        leaks = sorted(pair for pair in pairs if pair in dead and arrived[pair])
        lost = sorted(pair for pair in pairs if pair not in dead and not arrived[pair])
        took_ms = round(self._took_s * 1e3, 3)
        text = (
            f"{len(dead)} directions dead, {len(pairs) - len(dead)} alive, by probe; {what} in {took_ms:g} ms"
        )
        if leaks or lost:
            wrong = [f"{one}→{other} still alive" for one, other in leaks]
            wrong += [f"{one}→{other} dead" for one, other in lost]
            text = f"not as planned: {', '.join(wrong)}"
        data: dict[str, Any] = {"took_ms": took_ms, "dead": len(dead), "probed": len(pairs)}
        if leaks or lost:
            data |= {"leaks": [list(pair) for pair in leaks], "lost": [list(pair) for pair in lost]}
        return Proof(holds=not leaks and not lost, text=text, data=data)


def _cut(plan: Plan) -> frozenset[tuple[str, str]]:
    return frozenset((str(one), str(other)) for one, other in plan.detail["cut"])


def _sides(target: str, names: list[str]) -> tuple[list[str], list[str]]:
    side = check_names(names_of(target) or (target,), names)
    rest = [name for name in names if name not in side]
    if not rest:
        raise Broken("impossible-target", f"{target} is the whole cluster: nothing is left to cut it from")
    return side, rest


def _about(shape: str) -> str:
    return SHAPES[shape].about if shape in SHAPES else f"{shape} against the others"
