"""The nemesis of one run: when which fault happens, and the hands that inject, prove, heal and remember."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, Any, Final, Self, TypeVar

import msgspec

from quorate.harness.core import registry
from quorate.harness.core.fault import STEP_S, Fault, NemesisOutcome, Plan, Proof, Scene, make, registered
from quorate.harness.core.injection import HEAL, INJECT, NemesisRecord, decoded
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.settings import about, read
from quorate.harness.core.system import System
from quorate.harness.core.workload import Workload
from quorate.harness.generators import Generator, Invocation
from quorate.harness.history import History
from quorate.nemesis.exact import check_apart, check_within, read_schedule
from quorate.nemesis.specs import FaultSpec, check_possible, parse
from quorate.nemesis.timetable import Entry, Timetable, mixed, repeated

__all__ = ["FaultSpec", "Nemesis", "parse"]

log = logging.getLogger(__name__)

T = TypeVar("T")
_CANCELLED_S: Final = 1.0  # for a cancelled step to end before it is left to itself
_PATIENCE_S: Final = 1800.0


class NemesisSettings(msgspec.Struct, frozen=True):
    """Settings of how faults meet, whichever they are."""

    overlap: (
        Annotated[
            bool,
            about("different faults may be in force at the same time", unset="no; yes with --schedule"),
        ]
        | None
    ) = None
    majority: Annotated[
        bool, about("faults that overlap may hold a majority down; no: older ones heal first")
    ] = msgspec.field(default=False, name="overlap.majority")


class Nemesis:
    """Made before the run, attached to its scene once the cluster is up; one instance serves one run.

    `generator` gives out what to do, `act` does it, `heal_all` ends everything. `counts` says how injections and
    healings ended.
    """

    def __init__(
        self,
        specs: Sequence[FaultSpec],
        entries: tuple[Entry, ...],
        rng: Random,
        settings: Mapping[str, str],
        *,
        spare: bool = False,
    ) -> None:
        """Do these entries with these faults; raises `UsageError` for settings that make no sense.

        With `spare`, faults in force are healed before another one that with them would hold a majority.
        """
        self._spare = spare
        self._early: set[str] = set()
        self.specs = tuple(specs)
        self.entries = entries
        self.counts: Counter[str] = Counter()
        self._faults: dict[str, Fault] = {spec.name: make(spec.name, settings) for spec in specs}
        self._seed = rng.getrandbits(64)
        self._injections = 0
        self._in_force: dict[str, Plan] = {}
        self._scene: Scene | None = None
        self._lock: asyncio.Lock | None = None
        for name, fault in self._faults.items():
            fault.expect([one.plan for one in entries if one.fault == name and one.action == INJECT])

    @classmethod
    def from_mix(
        cls,
        specs: Sequence[FaultSpec],
        *,
        interval_s: float,
        time_s: float,
        rng: Random,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Decide a random mix of these faults."""
        settings = settings or {}
        own = read(NemesisSettings, settings)
        overlap = bool(own.overlap)
        entries = mixed(specs, interval_s=interval_s, time_s=time_s, rng=rng, overlap=overlap)
        return cls(specs, entries, rng, settings, spare=overlap and not own.majority)

    @classmethod
    def from_schedule(
        cls,
        path: Path,
        *,
        rng: Random,
        time_s: float | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Do what a schedule file says; raises `UsageError` for a wrong file, or one for a longer load than `time_s`.

        Faults of a schedule may overlap as it says, unless `overlap=no` is set.
        """
        settings = settings or {}
        specs, entries = read_schedule(path)
        if read(NemesisSettings, settings).overlap is False:
            check_apart(path, entries)
        if time_s is not None:
            check_within(path, entries, time_s)
        return cls(specs, entries, rng, settings)

    @classmethod
    def from_history(
        cls, history: History, *, rng: Random, settings: Mapping[str, str] | None = None
    ) -> Self:
        """Do what an earlier run did: the same faults at the same times with the same plans."""
        entries = repeated(history)
        specs = dict.fromkeys(FaultSpec(entry.fault, entry.target) for entry in entries)
        return cls(list(specs), entries, rng, settings or {})

    def suit(self, system: System) -> None:
        """Raise `UsageError` for a fault that this system, or this release of it, can never have; touches no host."""
        for fault in self._faults.values():
            if system.theirs and fault.on_theirs is None:
                raise UsageError(
                    f"-f {fault.name}: not on servers that are not quorate's (there: {', '.join(_on_theirs())})"
                )
            fault.suits(system)

    def fit(self, system: System, workload: Workload) -> None:
        """Raise `UsageError` for a fault that could prove nothing with this workload; touches no host."""
        for fault in self._faults.values():
            fault.fits(system, workload)

    @property
    def faults(self) -> Sequence[Fault]:
        """Return the faults that will be injected."""
        return tuple(self._faults.values())

    @property
    def generator(self) -> Generator:
        """The nemesis' own generator, to be run beside the clients'."""
        return Timetable(self.entries)

    def attach(self, scene: Scene) -> None:
        """Bind to a running cluster; raises `UsageError` for a target that it can never have.

        Has the network prepared, so that the first cut takes no longer than the others.
        """
        names = [node.name for node in scene.cluster.nodes]
        for spec in self.specs:
            check_possible(spec, names)
        for fault in self._faults.values():
            fault.check(scene)
        _ = scene.cluster.network
        self._scene = scene
        self._lock = asyncio.Lock()

    async def prepare(self, scene: Scene) -> None:
        """Let faults do beforehand what takes minutes (fetch a release); call it before `attach`, before any load."""
        for fault in self._faults.values():
            await fault.prepare(scene)

    async def begin(self) -> None:
        """Let faults do what they must once all servers are ready, right before the load; call it after `attach`."""
        if self._scene is None:
            raise _unattached()
        for fault in self._faults.values():
            await fault.begin(self._scene)

    @property
    def longest_s(self) -> float:
        """How long one injection or healing, with its proofs, may take at most."""
        return max((2 * fault.deadline_s + 2 * STEP_S for fault in self._faults.values()), default=STEP_S)

    @property
    def patience_s(self) -> float:
        """How much longer than planned all of it may take: for faults that go from node to node."""
        slow = (self._faults[entry.fault].deadline_s - STEP_S for entry in self.entries)
        return min(_PATIENCE_S, sum(slow))

    def in_force(self) -> list[str]:
        """Return what is broken right now, in words: `partition of leader (n2)`."""
        return [f"{name} of {plan.target} ({', '.join(plan.nodes)})" for name, plan in self._in_force.items()]

    def held_down(self) -> frozenset[str]:
        """Return the nodes whose server is dead, or may die, because of a fault in force."""
        return frozenset(
            node for name, plan in self._in_force.items() if self._faults[name].downs for node in plan.nodes
        )

    async def act(self, invocation: Invocation) -> NemesisOutcome:
        """Inject or heal as the generator said: `ok` proved, `info` done but not proved, `fail` not done.

        A fault that fails is counted and reported, and its remains are healed; only a healing that fails ends the run,
        as `Broken`.
        """
        if self._scene is None or self._lock is None:
            raise _unattached()
        asked = decoded(invocation.value)
        if asked is None:
            raise Broken("nemesis", f"{invocation.value!r} is neither an injection nor a healing")
        async with self._lock:
            if asked.action == HEAL:
                outcome = await self._act_heal(self._scene, invocation.f, asked)
            else:
                outcome = await self._act_inject(self._scene, invocation.f, asked)
            await self._renew(self._scene, invocation.f)
        self.counts[f"{asked.action} {outcome.type}"] += 1
        return outcome

    async def heal_all(self, scene: Scene) -> list[Proof]:
        """Heal everything in force and return the proofs; safe to call at any moment and twice.

        Tries every fault before it raises `Broken` for those that would not heal.
        """
        proofs, broken = [], []
        async with self._lock or asyncio.Lock():
            # What needs a majority to be healed comes when the others are healed.
            late = [self._faults[name].needs_majority for name in self._in_force]
            for _, name in sorted(zip(late, self._in_force, strict=True), key=lambda pair: pair[0]):
                try:
                    proofs.append(await self._heal(scene, name))
                except Broken as error:
                    broken.append(f"{name}: {error}")
        if broken:
            raise Broken("not-healed", "; ".join(broken))
        return proofs

    async def _act_inject(self, scene: Scene, name: str, asked: NemesisRecord) -> NemesisOutcome:
        record = NemesisRecord(INJECT, asked.target)
        fault = self._faults[name]
        if name in self._in_force and not (await self._heal(scene, name)).holds:
            return _not_done(record, "in-force", f"{name} is still active: healing it failed")
        try:
            plan = await self._plan(scene, fault, asked)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - every failure is reported; no plug-in ends a run
            return _failed(record, name, error)
        healed = await self._make_room(scene, fault, plan) if self._spare else {}
        record = NemesisRecord(INJECT, asked.target, plan, healed)
        self._early.discard(name)
        self._in_force[name] = plan  # before it is done: half done must be healed as well
        try:
            took_ms = await _timed(fault.inject(scene, plan), f"injecting {name}", fault.deadline_s)
            proof = await _within(fault.prove(scene, plan), f"proving {name}")
        except (Exception, SystemExit) as error:  # noqa: BLE001
            failed = _failed(record, name, error)
            await self._heal(scene, name)
            return failed
        return _judged(record, _with(proof, inject_ms=took_ms))

    async def _make_room(self, scene: Scene, fault: Fault, plan: Plan) -> dict[str, Proof]:
        """Heal what would hold a majority together with this plan, the oldest first; return what was, with proofs."""
        healed: dict[str, Proof] = {}
        majority = len(scene.cluster.nodes) // 2 + 1
        while fault.holds:
            others = {
                name: one
                for name, one in self._in_force.items()
                if name != fault.name and self._faults[name].holds
            }
            held = {node for one in others.values() for node in one.nodes}
            left = [name for name in others if name not in healed]
            if not left or len(held.union(plan.nodes)) < majority:
                break
            healed[left[0]] = await self._heal(scene, left[0])
            self._early.add(left[0])
        return healed

    async def _act_heal(self, scene: Scene, name: str, asked: NemesisRecord) -> NemesisOutcome:
        plan = self._in_force.get(name)
        record = NemesisRecord(HEAL, asked.target, plan, early=plan is None and name in self._early)
        if record.early:
            return NemesisOutcome("ok", record.encoded())
        if plan is None:
            return _not_done(record, "not-in-force", f"{name} is not active: nothing to heal")
        return _judged(record, await self._heal(scene, name))

    async def _renew(self, scene: Scene, acted: str) -> None:
        """Let faults in force take hold of servers that another fault has restarted."""
        for name, plan in self._in_force.items():
            fault = self._faults[name]
            if name != acted:
                try:
                    await _within(fault.renew(scene, plan), f"renewing {name}")
                except Broken as error:
                    log.warning("%s did not take hold of a restarted server: %s", name, error)
                    self.counts[f"renew {name} failed"] += 1

    async def _plan(self, scene: Scene, fault: Fault, asked: NemesisRecord) -> Plan:
        """Make a plan, or take the one that is to be repeated; details given without nodes go over the fault's own.

        Every injection has its own random stream, so that one that draws more, or fails, shifts no other.
        """
        rng = Random(f"{self._seed}/{self._injections}")
        self._injections += 1
        given = asked.plan
        if given is not None and given.nodes:
            return given
        made = await _within(fault.plan(scene, asked.target, rng), f"planning {fault.name}")
        if given is None:
            return made
        return msgspec.structs.replace(made, detail={**made.detail, **given.detail})

    async def _heal(self, scene: Scene, name: str) -> Proof:
        """Heal one fault; it stays in force, for the last healing to try again, unless that is proved."""
        fault, plan = self._faults[name], self._in_force[name]
        try:
            took_ms = await _timed(fault.heal(scene, plan), f"healing {name}", fault.deadline_s)
            proof = await _within(
                fault.prove_healed(scene, plan), f"proving that {name} is healed", fault.deadline_s
            )
        except Broken:
            raise
        except (Exception, SystemExit) as error:
            log.exception("healing %s", name)
            raise Broken("not-healed", f"{name}: {type(error).__name__}: {error}") from error
        if proof.holds:
            del self._in_force[name]
        return _with(proof, heal_ms=took_ms)


def _unattached() -> Broken:
    return Broken("nemesis", "the nemesis is not attached to a cluster")


def _failed(record: NemesisRecord, name: str, error: BaseException) -> NemesisOutcome:
    if isinstance(error, Broken):
        log.warning("%s could not be injected: %s", name, error)
        return _not_done(record, error.code, error.text)
    log.error("%s could not be injected", name, exc_info=error)
    return _not_done(record, "fault-crashed", f"{type(error).__name__}: {error}")


def _not_done(record: NemesisRecord, code: str, text: str) -> NemesisOutcome:
    return NemesisOutcome("fail", record.encoded(), [code, text])


def _judged(record: NemesisRecord, proof: Proof) -> NemesisOutcome:
    value = record.judged(proof).encoded()
    if proof.holds:
        return NemesisOutcome("ok", value)
    return NemesisOutcome("info", value, ["not-proved", proof.text])


def _with(proof: Proof, **more: Any) -> Proof:
    return Proof(holds=proof.holds, text=proof.text, data={**proof.data, **more})


async def _timed(step: Awaitable[None], what: str, deadline_s: float = STEP_S) -> float:
    begin = asyncio.get_running_loop().time()
    await _within(step, what, deadline_s)
    return round((asyncio.get_running_loop().time() - begin) * 1e3, 3)


async def _within(step: Awaitable[T], what: str, deadline_s: float = STEP_S) -> T:
    """Await a step of a fault under a deadline that holds even where the step swallows its cancellation."""
    task = asyncio.ensure_future(step)
    try:
        await asyncio.wait({task}, timeout=deadline_s)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCELLED_S)
        raise
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCELLED_S)
        raise Broken("timeout", f"{what} did not end within {deadline_s:g} s")
    return await task


def _on_theirs() -> list[str]:
    """Return the faults that servers of somebody else's can have."""
    return [name for name in sorted(registry.names("faults")) if registered(name).on_theirs is not None]
