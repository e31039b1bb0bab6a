"""What a hunt can draw: the workloads, faults and settings that fit a system, found by trying, not by a list.

Whatever is registered takes part, plug-ins included: a workload whose needs the system's clients meet, a fault that
suits it and that this machine can have. A setting of a workload is varied by the type of its default: a share over
(0, 1), a count over powers of ten.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, Final, Protocol

import msgspec

from quorate.harness.core import registry, system
from quorate.harness.core.exits import Exit
from quorate.harness.core.fault import registered
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.registry import UnknownNameError
from quorate.harness.core.test import Test
from quorate.harness.core.tuning import RANDOM, SETTING, SMALL
from quorate.harness.hunt.genes import Genes
from quorate.harness.run import prepare

NODES: Final = ("3", "3", "3", "5", "1")
CLIENTS: Final = ("6", "10", "16", "24")
RATES: Final = ("100", "200", "500", "1000")
INTERVALS: Final = ("1", "2", "3", "5", "8")
_SHARES: Final = ("0", "0.02", "0.1", "0.3", "0.6", "0.9", "1")
_FACTORS: Final = (0.1, 0.3, 3.0, 10.0)
_COUNT_MOST: Final = 2000
_VARIED_SHARE: Final = 0.35  # of a workload's settings: most of a draw stays as its author meant it
_TARGET_SHARE: Final = 0.6
_LEADER, _LEADER_SHARE = "leader", 0.6  # of targets that are named: what goes wrong there is seen by all
# Crashes, deposed leaders and lost answers are what most bugs of replication need: drawn more often than the others.
_CLASSIC: Final = ("client-partition", "kill", "partition", "pause", "powerloss", "staged")
_CLASSIC_WEIGHT: Final = 3
STORES: Final = ("2MB", "10MB", "40MB")
_STORE_SHARE: Final = 0.2
LARGE: Final = ("10B..300KB", "10B..1MB")  # of values; `tuning=random` has the smaller sizes
_RATE_OF_LARGE, _LARGE_SHARE = 100.0, 0.4
_OVERLAP_SHARE: Final = 0.4
_TRIGGER_SHARE: Final = 0.3
_TRIES: Final = 20
_FAULTS_MOST: Final = 3
_SIDE_BY_SIDE: Final = (1, 2, 2, 3, 3)
# Wrong clocks break leases by what is documented; an upgrade needs the release to go to.
LEFT_OUT: Final = frozenset({"clock", "upgrade"})
_AFTERMATHS: Final = frozenset({"backup", "compact", "defragment", "moveleader", "restart"})
_TRIGGERED: Final = frozenset({"kill", "partition", "pause"})
_WITHIN: Final = "4s"
FLAPS: Final = ("100ms", "500ms", "2s")
_FLAP_SHARE: Final = 0.2
_WEAK_READS: Final = "weak_reads"


class Picks(Protocol):
    """Chooses among options of a dimension; a learner prefers what has led somewhere."""

    def pick(self, dimension: str, options: Sequence[str], rng: Random) -> str:
        """Return one of them."""
        ...


class Evenly:
    """Chooses without preference."""

    @staticmethod
    def pick(dimension: str, options: Sequence[str], rng: Random) -> str:
        """Return one of them."""
        del dimension
        return options[int(rng.random() * len(options))]


class Space(msgspec.Struct, frozen=True):
    """What fits. `workloads` has each one's settings with their defaults, `faults` each one's targets.

    `left_out` says why a fault is not drawn. `seconds` are the lengths of runs, shortest and longest.
    """

    base: Test
    workloads: Mapping[str, Mapping[str, Any]]
    faults: Mapping[str, tuple[str, ...]]
    tunes: bool
    left_out: Mapping[str, str]
    seconds: tuple[float, float] = (15.0, 30.0)

    def draw(self, rng: Random, picks: Picks, lines: Sequence[str] = ()) -> Genes:
        """Draw a run; `lines` are texts that servers' logs are known to say, at which a kill may wait."""
        for _ in range(_TRIES):
            found = self._draw(rng, picks, lines)
            if self.works(found):
                return found
        return msgspec.structs.replace(self._draw(rng, picks, ()), extra={})

    def vary(self, genes: Genes, rng: Random, picks: Picks, lines: Sequence[str] = ()) -> Genes:
        """Return a run that differs in a part or two, or in its seed alone."""
        for _ in range(_TRIES):
            other = self._draw(rng, picks, lines)
            changes: dict[str, Any] = {"seed": other.seed}
            for part in rng.sample(("workload", "faults", "load", "nodes", "seed"), rng.choice((1, 1, 2))):
                changes |= self._exchange(part, genes, other, rng, picks)
            varied = msgspec.structs.replace(genes, **changes)
            if self.works(varied):
                return varied
        return msgspec.structs.replace(genes, seed=rng.randrange(1 << 31))

    def _exchange(self, part: str, genes: Genes, other: Genes, rng: Random, picks: Picks) -> dict[str, Any]:
        names = self._names(genes.workloads)
        match part:
            case "workload":  # the same, with other settings
                kept = {key: value for key, value in genes.extra.items() if key not in names}
                return {"extra": {**kept, **self._settings(genes.workloads, rng, picks)}}
            case "faults":
                own = {key: value for key, value in genes.extra.items() if key in names}
                theirs = self._names(other.workloads)
                drawn = {key: value for key, value in other.extra.items() if key not in theirs}
                return {"faults": other.faults, "interval_s": other.interval_s, "extra": {**drawn, **own}}
            case "load":
                return {"clients": other.clients, "rate": other.rate, "time_s": other.time_s}
            case "nodes":
                return {"nodes": other.nodes}
            case _:
                return {}

    def _draw(self, rng: Random, picks: Picks, lines: Sequence[str]) -> Genes:
        workloads = self._side_by_side(rng, picks)
        nodes = int(picks.pick("nodes", NODES, rng))
        faults, extra = self._faults(nodes, rng, picks, lines)
        clients = int(picks.pick("clients", CLIENTS, rng))
        rate = float(picks.pick("rate", RATES, rng))
        extra |= self._sizes(rate, rng, picks)
        if self.tunes:
            extra[SETTING] = picks.pick(f"set {SETTING}", (RANDOM, RANDOM, SMALL), rng)
        least, most = self.seconds
        return Genes(
            workloads=workloads,
            faults=faults,
            nodes=nodes,
            clients=clients,
            rate=rate,
            time_s=float(round(rng.uniform(least, most))),
            interval_s=float(picks.pick("interval", INTERVALS, rng)),
            extra={**extra, **self._settings(workloads, rng, picks)},
            seed=rng.randrange(1 << 31),
        )

    def _sizes(self, rate: float, rng: Random, picks: Picks) -> dict[str, str]:
        """Draw how large the store is, and values as far as a disk can follow that many of them."""
        found: dict[str, str] = {}
        if not self.tunes:  # what keeps nothing on a disk
            return found
        if rng.random() < _STORE_SHARE:
            found["store_size"] = picks.pick("set store_size", STORES, rng)
        if rate <= _RATE_OF_LARGE and rng.random() < _LARGE_SHARE:
            found["value_size"] = picks.pick("set value_size", LARGE, rng)
        return found

    def _side_by_side(self, rng: Random, picks: Picks) -> tuple[str, ...]:
        """Draw one to three workloads: starting servers costs more than another workload does."""
        chosen: list[str] = []
        for _ in range(min(rng.choice(_SIDE_BY_SIDE), len(self.workloads))):
            chosen.append(
                picks.pick("workload", [name for name in sorted(self.workloads) if name not in chosen], rng)
            )
        return tuple(chosen)

    def _names(self, workloads: Sequence[str]) -> dict[str, Any]:
        """Return the settings of these with their defaults; of a name that several have, the first one's."""
        found: dict[str, Any] = {}
        for workload in reversed(workloads):
            found |= self.workloads[workload]
        return found

    def _settings(self, workloads: Sequence[str], rng: Random, picks: Picks) -> dict[str, str]:
        found = {}
        for name, usual in sorted(self._names(workloads).items()):
            options = varied(usual)
            if options and name not in self.base.settings and rng.random() < _VARIED_SHARE:
                found[name] = picks.pick(f"set {name}", options, rng)
        return found

    def _faults(
        self, nodes: int, rng: Random, picks: Picks, lines: Sequence[str]
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        count = int(picks.pick("faults", ("0", "1", "1", "2", "2", "3"), rng))
        possible = [
            name
            for name in sorted(self.faults)
            if registered(name).obstacle(self.faults[name][0], nodes) is None
        ]
        chosen: list[str] = []
        for _ in range(min(count, _FAULTS_MOST, len(possible))):
            left = [
                name
                for name in possible
                if name not in chosen
                for _ in range(_CLASSIC_WEIGHT if name in _CLASSIC else 1)
            ]
            chosen.append(picks.pick("fault", left, rng))
        extra: dict[str, str] = {}
        if len(chosen) > 1 and rng.random() < _OVERLAP_SHARE:
            extra["overlap"] = "yes"
        for name in chosen:
            if name in _AFTERMATHS:
                extra[f"{name}.then"] = picks.pick(f"set {name}.then", ("none", "kill", "any"), rng)
        for name in sorted(_TRIGGERED & set(chosen)):
            if lines and rng.random() < _TRIGGER_SHARE:
                extra |= {f"{name}.on": picks.pick(f"set {name}.on", lines, rng), f"{name}.within": _WITHIN}
        if "partition" in chosen and rng.random() < _FLAP_SHARE:
            extra["partition.flap"] = picks.pick("set partition.flap", FLAPS, rng)
        return tuple(self._spec(name, nodes, rng) for name in chosen), extra

    def _spec(self, name: str, nodes: int, rng: Random) -> str:
        targets = [target for target in self.faults[name] if registered(name).obstacle(target, nodes) is None]
        if rng.random() >= _TARGET_SHARE or not targets:
            return name
        led = [target for target in targets if target.startswith(_LEADER)]
        chosen = led if led and rng.random() < _LEADER_SHARE else targets
        return f"{name}:{chosen[int(rng.random() * len(chosen))]}"

    def go_together(self, workloads: tuple[str, ...], clients: int) -> bool:
        """Whether these workloads can run side by side."""
        base = msgspec.structs.replace(self.base, workload=workloads, faults=(), clients=clients)
        return why_not(base) is None

    def works(self, genes: Genes) -> bool:
        """Whether such a run can be made on any machine."""
        return why_not(genes.test(self.base)) is None


def varied(usual: Any) -> tuple[str, ...]:
    """Return the values to try beside a default, by its type; none for what cannot be varied blindly."""
    if isinstance(usual, bool):
        return ("true", "false")
    if isinstance(usual, float):
        return _SHARES
    if isinstance(usual, int):
        found = {min(_COUNT_MOST, max(1, round(max(usual, 1) * factor))) for factor in _FACTORS}
        return tuple(str(count) for count in sorted(found - {usual}))
    return ()


def why_not(test: Test) -> str | None:
    """Return why the test cannot work on any machine, or None."""
    try:
        test.validate()
        prepare(test)
    except (UsageError, UnknownNameError) as error:
        return str(error)
    return None


def space_of(
    base: Test,
    *,
    workloads: Sequence[str] = (),
    faults: Sequence[str] = (),
    seconds: tuple[float, float] = (15.0, 30.0),
    lacks: Callable[[Test], str | None] = lambda _: None,
) -> Space:
    """Find what fits `base.system`; `workloads` and `faults` keep the choice to these, where given.

    `lacks` says what this machine lacks for a test. Raise `UsageError` where no workload fits.
    """
    plain = msgspec.structs.replace(base, faults=(), workload=("register",))
    fitting = {}
    for name in workloads or registry.names("workloads"):
        if (why := why_not(msgspec.structs.replace(plain, workload=(name,)))) is None:
            fitting[name] = dict(getattr(registry.find("workloads", name), "defaults", {}))
        elif workloads:
            raise UsageError(why)
    if not fitting:
        raise UsageError(f"no workload fits {base.system}")
    plain = msgspec.structs.replace(plain, workload=(next(iter(fitting)),))
    if prepare(plain).workload.weak is not None:
        # What a mode of reading documents is found too, and reported as such: who wants it left out says so.
        base = msgspec.structs.replace(base, settings={_WEAK_READS: "linearizable", **base.settings})
    suiting, left_out = {}, dict.fromkeys(sorted(LEFT_OUT - set(faults)), "not drawn unless -f names it")
    for name in faults or registry.names("faults"):
        if name in left_out or name == "none":
            continue
        test = _with_any(plain, name, fitting)
        why = why_not(test) or lacks(test)
        if why is None:
            suiting[name] = registered(name).targets
        elif faults:
            raise UsageError(why)
        else:
            left_out[name] = why
    knobs = bool(system.registered(base.system_name).knobs)
    return Space(base, fitting, suiting, knobs, left_out, seconds)


def _with_any(plain: Test, fault: str, workloads: Iterable[str]) -> Test:
    """Return the test with the fault, and with the first workload with which it can prove something."""
    tests = [msgspec.structs.replace(plain, faults=(fault,), workload=(name,)) for name in workloads]
    return next((test for test in tests if why_not(test) is None), tests[0])


def lacking(test: Test) -> str | None:
    """Return what this machine, or the simulated one, lacks for the test, or None; takes a second or so."""
    from quorate.harness.run import require, run  # noqa: PLC0415 - it loads everything that a cluster needs

    if test.virtual:
        with tempfile.TemporaryDirectory(prefix="quorate-") as folder:
            done = run(
                msgspec.structs.replace(test, time=4.0, fault_interval=1.0, store=folder, seed=1),
                report=False,
            )
        return done.results.reason if done.exit_code == Exit.BROKEN else None
    try:
        require(test, prepare(test))
    except Broken as error:
        return error.text
    return None


__all__ = ["Evenly", "Picks", "Space", "lacking", "space_of", "varied", "why_not"]
