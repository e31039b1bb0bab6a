"""Which `--set` keys a test knows, and whether each does something in it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import msgspec

from quorate.harness.core import record, registry, system
from quorate.harness.core.fault import registered
from quorate.harness.core.outcome import Broken
from quorate.harness.core.settings import about, described, read
from quorate.harness.core.test import Test, UsageError
from quorate.harness.run import choosing, filling, objectives
from quorate.harness.run.gates import Thresholds
from quorate.nemesis.exact import read_schedule
from quorate.nemesis.schedule import NemesisSettings

_GATE: Final = "gate."


class RunSettings(msgspec.Struct, frozen=True):
    """Settings of the run itself."""

    pinning: Annotated[
        str,
        about(
            "which nodes a client knows",
            choices={"all": "one", "none": "several", "mixed": "three clients in four know one"},
        ),
    ] = "mixed"
    weak_reads: Annotated[
        str,
        about(
            "what reads are held to in a mode that promises less than linearizability",
            choices={"promise": "what the mode promises", "linearizable": "the same as all others"},
        ),
    ] = "promise"
    store_size: (
        Annotated[str, about("what is written before the load begins, such as 40MB", unset="nothing")] | None
    ) = None
    only: (
        Annotated[str, about("which of the operations drawn are done, by number, as 0,7-9", unset="all")]
        | None
    ) = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for what is not a size, or not numbers."""
        _ = self.kept
        try:
            _ = self.filled
        except ValueError as error:
            raise ValueError(f"store_size={self.store_size}: {error}") from error

    @property
    def kept(self) -> tuple[int, ...] | None:
        """The numbers of the operations that are done; None for all."""
        return None if self.only is None else choosing.numbers(self.only)

    @property
    def filled(self) -> int:
        """The bytes that are written before the load."""
        return 0 if self.store_size is None else filling.size_of(self.store_size)


def faults_of(test: Test) -> tuple[str, ...]:
    """Return the faults that the test asks for, as NAME or NAME:TARGET: its own, its schedule's, or its replay's."""
    if test.replay is not None and test.schedule is not None:
        # What is repeated stands in the recorded run; the schedule file may be gone or changed.
        with contextlib.suppress(Broken):
            return tuple(record.read(Path(test.replay)).faults)
    if test.schedule is None:
        return test.faults
    specs, _ = read_schedule(Path(test.schedule))
    return tuple(map(str, specs))


def known_settings(test: Test) -> frozenset[str]:
    """Return the `--set` keys that something in this test knows."""
    known = system.registered(test.system_name).described()
    for workload in test.workload:
        known |= registry.find("workloads", workload).described()
    for fault in _families(test):
        known |= registered(fault).described() | described(NemesisSettings)
    known |= described(objectives.Objectives, objectives.PREFIX)
    known |= described(Thresholds, _GATE)
    known |= described(RunSettings)
    return frozenset(known)


def check_settings(test: Test) -> None:
    """Raise `UsageError` for a `--set` key that nothing in this test knows, and for a value out of its range."""
    known = known_settings(test)
    for key in test.settings:
        if key not in known:
            hint = registry.did_you_mean(key, sorted(known))
            raise UsageError(
                f'nothing here knows the setting "{key}"{hint} (known: {", ".join(sorted(known))})'
            )
    read(RunSettings, test.settings)
    thresholds(test.settings)
    objectives.read(test.settings, has_faults=bool(test.faults or test.schedule or test.replay))


def _families(test: Test) -> list[str]:
    """Return the registered names of the test's faults; a replay may hold any."""
    if test.replay is not None:
        return registry.names("faults")
    return [fault.partition(":")[0] for fault in faults_of(test)]


def judges_strictly(test: Test) -> bool:
    """Whether weak reads are held to linearizability."""
    return test.strict or read(RunSettings, test.settings).weak_reads == "linearizable"


def thresholds(given: Mapping[str, str]) -> Thresholds:
    """Read `gate.*` settings; raise `UsageError` for what is not a number, and for one out of its range."""
    return read(Thresholds, given, prefix=_GATE)
