"""What a fault is: injected on targets, proved where it acts, healed, and the healing proved too.

`Fault` declares everything that a run, `quorate list`, `doctor` and `hunt` ask of a fault, each with its moment. A
fault overrides what it needs; `nemesis/nodes.py` has the bases of faults that act on nodes.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import msgspec

from quorate.harness.core import registry
from quorate.harness.core.finding import Finding
from quorate.harness.core.node import Cluster
from quorate.harness.core.outcome import Broken
from quorate.harness.core.settings import NoSettings, described, read
from quorate.harness.core.system import System

if TYPE_CHECKING:
    from quorate.harness.core.workload import Workload

STEP_S: Final = 20.0  # deadline of one step of a fault, unless it declares more


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
    """What a fault may act on, and the folder of the run, where it may leave what judging needs (None: none)."""

    cluster: Cluster
    system: System
    folder: Path | None = None


class Fault(abc.ABC):
    """One family of faults: what it declares, and the hooks of a run in the order in which they are called.

    An instance serves one run and may remember what it has injected; several are made before a run, to see whether
    the options fit together, and only one is used. Hooks are never called at the same time as another of the same
    instance. What a hook raises: `UsageError` where it says so; `Broken` with what to do for everything expected;
    anything else is reported as a crash of the fault, and never ends the run but where healing fails.
    """

    # Declarations.
    name: ClassVar[str]  # as registered, and as `-f` takes it
    targets: ClassVar[
        tuple[str, ...]
    ]  # accepted targets, the default first; node names are accepted beside them
    settings_type: ClassVar[type[msgspec.Struct]] = NoSettings  # `--set NAME.FIELD=…` (core/settings.py)
    deadline_s: ClassVar[float] = STEP_S  # of `inject`, `heal` and `prove_healed` each
    crashes: ClassVar[Literal["own", "any"] | None] = (
        None  # servers end themselves: its targets, or others too
    )
    # On servers that somebody else set up, in containers: their ends and starts are enough for it; it enters them; or
    # it changes their very processes, not to be undone after a kill -9: those must be up for the run alone.
    # None: it works with what only servers of quorate's have, and is refused there.
    on_theirs: ClassVar[Literal["outside", "inside", "patching"] | None] = None
    needs_majority: ClassVar[bool] = False  # healing needs most servers: other faults are healed before it
    downs: bool = False  # servers of its targets are dead, or may be, while it is in force

    @property
    def holds(self) -> bool:
        """Whether its targets are lost to a majority while it is in force: dead, frozen, or cut off."""
        return self.downs

    # Before the run, without a cluster: nothing may be touched, started or sent.
    @classmethod
    def obstacle(cls, target: str, count: int) -> str | None:
        """Return why a cluster of `count` nodes can never have this target, or None. Called without an instance."""
        del target, count
        return None

    def __init__(self, options: msgspec.Struct) -> None:
        """Take the settings, an instance of `settings_type`, already checked."""
        self.options: Any = options

    def expect(self, plans: Sequence[Plan | None]) -> None:  # noqa: B027 - hooks do nothing unless overridden
        """See what the schedule will ask for (None: a plan of the fault's own); raise `UsageError` for nonsense."""

    def suits(self, system: System) -> None:  # noqa: B027
        """Raise `UsageError` for a system, or a release of it, that can never have this fault."""

    def fits(self, system: System, workload: Workload) -> None:  # noqa: B027
        """Raise `UsageError` where it could prove nothing with what this workload does."""

    def probes(self) -> Sequence[Callable[[], Finding]]:
        """Return what to try on this machine before anything is built or started: a moment each, leaving nothing.

        `quorate doctor` tries those of every fault that can be made without settings.
        """
        return ()

    # Once a run, before the load. No deadline but the run's: what takes minutes belongs here.
    async def prepare(self, scene: Scene) -> None:  # noqa: B027
        """Work on nodes whose servers are installed and not yet started: fetch a release, mount a disk.

        Raise `UsageError` or `Broken` where it cannot be done.
        """

    def check(self, scene: Scene) -> None:  # noqa: B027
        """Raise `UsageError` where the running cluster, all servers ready, turns out not to be fit for the fault."""

    async def begin(self, scene: Scene) -> None:  # noqa: B027
        """Do what must be done right before the load, all servers ready; called after every fault's `check`."""

    # Under load, for each injection: plan, inject, prove, and at the healing heal, prove_healed.
    @abc.abstractmethod
    async def plan(self, scene: Scene, target: str, rng: Random) -> Plan:
        """Decide nodes and detail within 20 s; raise `Broken` where the target is impossible (majority of one node).

        Draws only from `rng`, as often whatever is set and whoever leads: the same seed then makes the same plans, up
        to who leads. Not called where a schedule or a replay gives the whole plan.
        """

    @abc.abstractmethod
    async def inject(self, scene: Scene, plan: Plan) -> None:
        """Make it so, within `deadline_s`. Counts as in force from before this call, even where it fails."""

    @abc.abstractmethod
    async def prove(self, scene: Scene, plan: Plan) -> Proof:
        """Measure, within 20 s, that it bit. Without a proof the injection is not counted as one."""

    async def renew(self, scene: Scene, plan: Plan) -> None:  # noqa: B027
        """Take hold again, within 20 s, of servers that another fault has restarted.

        Called while this plan is in force, after each injection or healing of another fault.
        """

    @abc.abstractmethod
    async def heal(self, scene: Scene, plan: Plan) -> None:
        """Undo it, within `deadline_s`; must work after a half-failed injection, and twice. A failure ends the run."""

    @abc.abstractmethod
    async def prove_healed(self, scene: Scene, plan: Plan) -> Proof:
        """Measure, within `deadline_s`, that it is gone. Without a proof it stays in force and is healed again."""

    @classmethod
    def described(cls) -> dict[str, str]:
        """Return name to description of its settings."""
        return described(cls.settings_type, f"{cls.name}.")


def registered(name: str) -> type[Fault]:
    """Return the class of a registered fault.

    Raises `UnknownNameError` with the nearest match, and `Broken` that names the plug-in where it cannot be loaded or
    is not a `Fault`: a class that merely has its methods would lack the hooks that are asked for.
    """
    found = registry.find("faults", name)
    if not (isinstance(found, type) and issubclass(found, Fault)):
        raise Broken("plug-in", f"{registry.origin('faults', name)} is not a subclass of {_BASE}; {_DOCS}")
    return found


def make(name: str, given: Mapping[str, str]) -> Fault:
    """Return a fresh fault with its settings; raise `UsageError` for those that make no sense."""
    kind = registered(name)
    made: Fault = registry.make("faults", name, read(kind.settings_type, given, prefix=f"{kind.name}."))
    return made


_BASE: Final = "quorate.harness.core.fault.Fault"
_DOCS: Final = "derive it from that (docs/extending.md)"


def named(nodes: Sequence[str], fault: str, target: str, **detail: Any) -> Plan:
    """Build a `Plan` with the node names in order."""
    return Plan(fault=fault, target=target, nodes=tuple(sorted(nodes)), detail=detail)


class NemesisOutcome(msgspec.Struct, frozen=True):
    """How a fault's injection or healing ended: `ok` proved, `info` not proved, `fail` could not be done at all."""

    type: str
    value: Any = None
    error: list[str] | None = None
