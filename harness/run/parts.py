"""From names to parts: the system, the cluster, the workload and the nemesis of one test, all from one seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from quorate.harness.cluster import make_cluster
from quorate.harness.cluster.compose.asked import Asked, members
from quorate.harness.core import registry
from quorate.harness.core.capabilities import Registers
from quorate.harness.core.clock import Clock
from quorate.harness.core.node import Cluster
from quorate.harness.core.settings import read
from quorate.harness.core.system import System, SystemOptions, registered
from quorate.harness.core.test import THEIRS, Test, UsageError
from quorate.harness.core.tuning import DEFAULT, SETTING
from quorate.harness.core.weak import WeakReads
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.history import History
from quorate.harness.run.gates import Thresholds
from quorate.harness.run.settings import RunSettings, check_settings, judges_strictly, thresholds
from quorate.harness.run.side_by_side import side_by_side
from quorate.nemesis.schedule import Nemesis, parse


class Parts(msgspec.Struct, frozen=True):
    """What one run is made of. `nemesis` is None where nothing is to break."""

    system: System
    cluster: Cluster
    workload: Workload
    nemesis: Nemesis | None
    thresholds: Thresholds
    faults_asked: tuple[str, ...]
    tuning: Mapping[str, str] = {}


def stream(seed: int, purpose: str) -> Random:
    """Return a separate random stream for each purpose, so that one's draws never shift another's."""
    return Random(f"{seed}/{purpose}")


def assemble(test: Test, run_id: str, clock: Clock) -> Parts:
    """Find and make every part; touches no host. Raise `UsageError` for what does not fit together."""
    assert test.seed is not None
    check_settings(test)
    settings = dict(test.settings)
    system = _system(test, settings)
    tuning = _tuning(test, system)
    if tuning:
        settings = {**tuning, **settings}
        system = _system(test, settings)
    _adopt(test, system)
    workload = _workload(test, settings, system.client_type, system.weak_reads)
    _must_offer(system, workload, filled=bool(read(RunSettings, settings).filled))
    system.fits(workload)
    nemesis = _nemesis(test, settings)
    if nemesis is not None:
        nemesis.suit(system)
        nemesis.fit(system, workload)
    return Parts(
        system=system,
        cluster=_cluster(test, system, nemesis, run_id, clock),
        workload=workload,
        nemesis=nemesis,
        thresholds=thresholds(settings),
        faults_asked=tuple(spec.name for spec in nemesis.specs) if nemesis is not None else (),
        tuning=tuning,
    )


def _system(test: Test, settings: Mapping[str, str]) -> System:
    options = SystemOptions(release=test.release, image=test.image, build=test.build, settings=settings)
    registered(test.system_name)
    made: System = registry.make("systems", test.system_name, options)
    return made


def _tuning(test: Test, system: System) -> dict[str, str]:
    """Draw what `--set tuning=` asks for; raise `UsageError` for a given setting that the release does not have."""
    assert test.seed is not None
    return system.tune(test.settings.get(SETTING, DEFAULT), stream(test.seed, SETTING))


def _adopt(test: Test, system: System) -> None:
    """Hand the system servers that are not quorate's; raise `UsageError` where it cannot work so."""
    if test.cluster not in THEIRS:
        if wrong := sorted(system.of_clients.intersection(test.settings)):
            raise UsageError(f"--set {wrong[0]} is for --cluster running and --cluster compose")
        return
    system.adopt(test.workload)


def _must_offer(system: System, workload: Workload, *, filled: bool) -> None:
    """Raise `UsageError` where the system's clients lack what the workload needs, or what fills the store."""
    if filled and not issubclass(system.client_type, Registers):
        raise UsageError(f"--set store_size: {system.name} has no registers here to fill the store with")
    lacking = [need.__name__ for need in workload.needs if not issubclass(system.client_type, need)]
    if lacking:
        raise UsageError(
            f"{system.name} has no {' and no '.join(lacking)} here, which {workload.name} needs "
            "(docs/workloads.md lists what runs where)"
        )


def composed(test: Test, system: System, nemesis: Nemesis | None) -> Asked | None:
    """Return what is asked of a compose file, None where the cluster is another; raises `UsageError`."""
    if test.file is None:
        return None
    faults = nemesis.faults if nemesis is not None else ()
    entered = any(fault.on_theirs != "outside" for fault in faults)
    patching = tuple(fault.name for fault in faults if fault.on_theirs == "patching")
    return Asked(Path(test.file), members(test.service), system.client_port, entered, patching)


def _cluster(test: Test, system: System, nemesis: Nemesis | None, run_id: str, clock: Clock) -> Cluster:
    assert test.seed is not None
    if system.virtual:
        names = [f"n{number}" for number in range(1, test.nodes + 1)]
        return system.own_cluster(run_id, names, stream(test.seed, system.name), clock)
    options: dict[str, Any] = {"image_kind": system.image_kind}
    if test.image is not None:
        options["image"] = test.image
    if test.endpoints:
        options["endpoints"] = test.endpoints
    if (compose := composed(test, system, nemesis)) is not None:
        options["compose"] = compose
    if test.inventory is not None:
        options["inventory"] = Path(test.inventory)
    return make_cluster(test.cluster, run_id=run_id, count=test.nodes, **options)


def _workload(
    test: Test, settings: Mapping[str, str], client: type | None = None, weak: WeakReads | None = None
) -> Workload:
    assert test.seed is not None
    made = []
    share = test.clients // len(test.workload)
    for number, name in enumerate(test.workload):
        extra = test.clients - share * len(test.workload) if number == 0 else 0
        options = WorkloadOptions(
            clients=share + extra,
            nodes=test.nodes,
            time_s=test.time,
            rng=stream(test.seed, f"workload/{name}"),
            settings=settings,
            strict=test.strict,
            client=client,
            weak=None if judges_strictly(test) else weak,
        )
        made.append((registry.make("workloads", name, options), share + extra))
    return msgspec.structs.replace(side_by_side(made), weak=weak)


def recorded_model(test: Test) -> str | None:
    """Return the model that the test's workload names; None for several side by side."""
    return _workload(msgspec.structs.replace(test, seed=test.seed or 0), dict(test.settings)).model


def _nemesis(test: Test, settings: Mapping[str, str]) -> Nemesis | None:
    assert test.seed is not None
    rng = stream(test.seed, "nemesis")
    if test.replay is not None:
        return Nemesis.from_history(History.read(Path(test.replay)), rng=rng, settings=settings)
    if test.schedule is not None:
        return Nemesis.from_schedule(Path(test.schedule), time_s=test.time, rng=rng, settings=settings)
    if not test.faults:
        return None
    return Nemesis.from_mix(
        parse(",".join(test.faults)),
        interval_s=test.fault_interval,
        time_s=test.time,
        rng=rng,
        settings=settings,
    )
