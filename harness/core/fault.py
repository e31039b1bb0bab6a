"""What a fault is: injected on targets, proved where it acts, healed, and the healing proved too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Protocol, runtime_checkable

import msgspec

from quorate.harness.core.finding import Finding
from quorate.harness.core.node import Cluster
from quorate.harness.core.system import System


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


@runtime_checkable
class Suits(Protocol):
    """A fault that some systems can never have."""

    def suits(self, system: System) -> None:
        """Raise `UsageError` where this system, or this release of it, cannot; before anything starts, on no host."""
        ...


@runtime_checkable
class Tries(Protocol):
    """A fault that asks more of the machine that its cluster lives on than processes and signals."""

    def probes(self) -> Sequence[Callable[[], Finding]]:
        """Return what to try before anything is built or started; each probe takes a moment and leaves nothing."""
        ...


@runtime_checkable
class Expects(Protocol):
    """A fault to which not every plan makes sense."""

    def expect(self, plans: Sequence[Plan | None]) -> None:
        """Raise `UsageError` for what a schedule asks of it (None: a plan of its own); before anything starts."""
        ...


@runtime_checkable
class Prepares(Protocol):
    """A fault that has work to do on the nodes before their servers start: fetch a release, mount a disk."""

    async def prepare(self, scene: Scene) -> None:
        """Do it, once a run; servers are installed. Raise `UsageError` or `Broken` where it cannot be."""
        ...


@runtime_checkable
class Checks(Protocol):
    """A fault that a running cluster may turn out not to be fit for."""

    def check(self, scene: Scene) -> None:
        """Raise `UsageError` where it is not."""
        ...


@runtime_checkable
class Begins(Protocol):
    """A fault that has something to do once all servers are ready, right before the load."""

    async def begin(self, scene: Scene) -> None:
        """Do it."""
        ...


@runtime_checkable
class Renews(Protocol):
    """A fault that is lost with the server's process: one that another fault restarted is to be taken hold of again."""

    async def renew(self, scene: Scene, plan: Plan) -> None:
        """See to it, while this plan is in force; called after whatever other faults did."""
        ...


def named(nodes: Sequence[str], fault: str, target: str, **detail: Any) -> Plan:
    """Build a `Plan` with the node names in order."""
    return Plan(fault=fault, target=target, nodes=tuple(sorted(nodes)), detail=detail)


class NemesisOutcome(msgspec.Struct, frozen=True):
    """How a fault's injection or healing ended: `ok` proved, `info` not proved, `fail` could not be done at all."""

    type: str
    value: Any = None
    error: list[str] | None = None
