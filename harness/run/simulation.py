"""A workload against the simulated system in one line: a whole run by the conductor of all runs, in virtual time."""

from __future__ import annotations

import tempfile
from typing import Any, Protocol

import msgspec

from quorate.harness.core import registry
from quorate.harness.core.results import Results
from quorate.harness.core.test import Test
from quorate.harness.core.verdict import Anomaly, Verdict
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.history import History
from quorate.harness.run.running import run


class RegisteredWorkload(Protocol):
    """What `@workload` makes: a factory with its name and settings."""

    @property
    def name(self) -> str:
        """What `-w` calls it."""
        ...

    def __call__(self, options: WorkloadOptions) -> Workload:
        """Build it."""
        ...


class Simulation(msgspec.Struct, frozen=True):
    """What a simulated run was (`test`), what clients saw (`history`), and what was concluded from it (`results`)."""

    test: Test
    history: History
    results: Results

    @property
    def verdict(self) -> Verdict:
        """Over all guarantees, gates included: too little load or a fault that never bit is unknown."""
        return self.results.verdict

    @property
    def anomalies(self) -> list[Anomaly]:
        """Those of all guarantees, each with a sentence."""
        return [anomaly for result in self.results.guarantees for anomaly in result.anomalies]

    @property
    def told(self) -> str:
        """What was concluded in a line, for the message of an assertion, with the command that repeats it."""
        test = msgspec.structs.replace(self.test, store=Test().store)
        return f"{self.results.verdict}: {self.results.reason}   # {test.command()}"


def simulate(
    workload: str | RegisteredWorkload = "register",
    *,
    seed: int = 0,
    faults: str | tuple[str, ...] = (),
    bug: str = "none",
    **options: Any,
) -> Simulation:
    """Run a workload against the simulated system and return what came of it; keeps nothing on disk.

    `workload` is a registered name, or what `@workload` made, registered or not. `faults` are as for `-f`, `bug` one of
    `quorate list systems simulated`. All other options are those of `Test`: `time` of 10 s unless given, `settings` for
    the workload and the system. The same arguments give the same history to the nanosecond.

        done = simulate("register", seed=7, faults="partition", bug="stale-read")
        assert done.verdict == "invalid", done.told

    Raises `UsageError` for what does not fit together, such as a bug that this workload can never show.
    """
    settings = {**options.pop("settings", {}), **({} if bug == "none" else {"bug": bug})}
    name = workload if isinstance(workload, str) else workload.name
    parts = {} if isinstance(workload, str) else {name: workload}
    mix = tuple(filter(None, faults.split(","))) if isinstance(faults, str) else faults
    with tempfile.TemporaryDirectory(prefix="quorate-simulate-") as store, registry.lent("workloads", parts):
        test = Test(
            **{"time": 10.0, **options}, system="simulated", workload=(name,), faults=mix, seed=seed,
            settings=settings, store=store,
        )  # fmt: skip
        done = run(test, report=False)
        return Simulation(test, History.read(done.folder), done.results)
