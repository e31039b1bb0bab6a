"""What a fault is: injected on targets, proved where it acts, healed, and the healing proved too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Protocol

import msgspec

from harness.cluster.node import Cluster
from harness.systems.system import System


class Proof(msgspec.Struct, frozen=True):
    """A measurement made where the fault acts: whether it bit, and what was seen, in words and as data."""

    holds: bool
    text: str
    data: Mapping[str, Any] = {}


class Plan(msgspec.Struct, frozen=True):
    """One decided injection, written to the history and to replay files: plain JSON, nothing of the live cluster.

    `fault` is the registered name, `target` what was asked for (one, minority, leader, …), `nodes` the names it acts
    on, `detail` what the fault itself decided (the pairs of a partition, the offset of a clock).
    """

    fault: str
    target: str
    nodes: tuple[str, ...]
    detail: Mapping[str, Any] = {}


class Scene(msgspec.Struct, frozen=True):
    """What a fault may act on."""

    cluster: Cluster
    system: System


class Fault(Protocol):
    """One family of faults. A fresh instance serves one run; it may remember what it has injected.

    `targets` lists the accepted targets, the default first. Decisions (`plan`) draw only from `rng` and from the
    leader as it is asked for, so the same seed makes the same plans up to who leads.
    """

    name: str
    targets: tuple[str, ...]

    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide nodes and detail; raise `Broken` where the target is impossible (majority of one node)."""
        ...

    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Make it so."""
        ...

    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Measure that it bit."""
        ...

    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Undo it; must work after a half-failed injection, and twice."""
        ...

    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """Measure that it is gone."""
        ...


def named(nodes: Sequence[str], fault: str, target: str, **detail: Any) -> Plan:
    """Build a `Plan` with the node names in order."""
    return Plan(fault=fault, target=target, nodes=tuple(sorted(nodes)), detail=detail)
