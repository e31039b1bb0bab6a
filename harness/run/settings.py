"""Which `--set` keys a test knows, and whether each does something in it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core import registry, store
from quorate.harness.core.fault import registered
from quorate.harness.core.outcome import Broken
from quorate.harness.core.settings import described
from quorate.harness.core.test import Test, UsageError
from quorate.harness.run import objectives
from quorate.harness.run.gates import Thresholds
from quorate.nemesis.exact import read_schedule
from quorate.nemesis.schedule import NemesisSettings

PINNING: Final = ("all", "none", "mixed")
_GATE: Final = "gate."


def faults_of(test: Test) -> tuple[str, ...]:
    """Return the faults that the test asks for, as NAME or NAME:TARGET: its own, its schedule's, or its replay's."""
    if test.replay is not None and test.schedule is not None:
        # What is repeated stands in the recorded run; the schedule file may be gone or changed.
        with contextlib.suppress(Broken):
            named = store.read_json(Path(test.replay), store.TEST).get("faults")
            return tuple(map(str, named)) if isinstance(named, list) else ()
    if test.schedule is None:
        return test.faults
    specs, _ = read_schedule(Path(test.schedule))
    return tuple(map(str, specs))


def known_settings(test: Test) -> frozenset[str]:
    """Return the `--set` keys that something in this test knows."""
    known: dict[str, str] = dict(registry.find("systems", test.system_name).settings)
    for workload in test.workload:
        known |= registry.find("workloads", workload).described()
    for fault in _families(test):
        known |= registered(fault).described() | described(NemesisSettings)
    known |= objectives.KNOWN
    known |= {f"{_GATE}{name}": "" for name in Thresholds.__struct_fields__}
    known |= {
        "pinning": "clients know one node (all), several (none), or three in four know one (mixed) [mixed]"
    }
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
    pinning = test.settings.get("pinning", "mixed")
    if pinning not in PINNING:
        hint = registry.did_you_mean(pinning, list(PINNING))
        raise UsageError(f"--set pinning={pinning}: unknown{hint} (known: {', '.join(PINNING)})")
    thresholds(test.settings)
    objectives.read(test.settings, has_faults=bool(test.faults or test.schedule or test.replay))


def _families(test: Test) -> list[str]:
    """Return the registered names of the test's faults; a replay may hold any."""
    if test.replay is not None:
        return registry.names("faults")
    return [fault.partition(":")[0] for fault in faults_of(test)]


def thresholds(settings: Mapping[str, str]) -> Thresholds:
    """Read `gate.*` settings; raise `UsageError` for what is not a number, and for one out of its range."""
    given = {key.removeprefix(_GATE): value for key, value in settings.items() if key.startswith(_GATE)}
    try:
        found = msgspec.convert(given, Thresholds, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"--set gate.…: {error}") from error
    for name, text in given.items():
        value, most = getattr(found, name), 1.0 if name == "success" else math.inf
        if not (math.isfinite(value) and 0 <= value <= most):
            limit = "from 0 to 1" if most == 1 else "of 0 or more"
            raise UsageError(f"--set {_GATE}{name}={text}: give a number {limit}")
    return found
