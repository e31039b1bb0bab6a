"""One test as plain data: every option of `quorate test`, validated before anything starts."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from quorate.harness.core import registry
from quorate.harness.core.duration import (
    exact_duration,
    exact_number,
    format_duration,
    parse_duration,
    parse_size,
)
from quorate.harness.core.outcome import UsageError
from quorate.harness.core.store import unfit

__all__ = ["CLUSTERS", "Test", "UsageError"]

CLUSTERS: Final = ("auto", "docker", "local", "ssh", "running", "simulated")


def names(text: str | tuple[str, ...]) -> tuple[str, ...]:
    """Take a list in one text with commas apart; one that is a list already stays."""
    if not isinstance(text, str):
        return tuple(text)
    return tuple(filter(None, (part.strip() for part in text.split(","))))


_FROM_TEXT: Final[Mapping[str, Callable[[str], Any]]] = {
    "workload": names,
    "faults": names,
    "endpoints": names,
    "fault_interval": parse_duration,
    "time": parse_duration,
    "timeout": parse_duration,
    "check_time": parse_duration,
    "check_memory": parse_size,
}


class Test(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one run is. Durations in seconds, sizes in bytes, `rate` in operations per second (0: unlimited).

    The same names are the options of `quorate test` and the keys of campaign files. `system` may carry its release
    (`etcd@3.5.16`). A `seed` of None is drawn at the start and stored.
    """

    # pytest would otherwise take a class named Test for a test case.
    __test__ = False

    system: str = "etcd"
    workload: tuple[str, ...] = ("register",)
    faults: tuple[str, ...] = ()
    fault_interval: float = 5.0
    schedule: str | None = None
    cluster: str = "auto"
    inventory: str | None = None
    endpoints: tuple[str, ...] = ()
    nodes: int = 3
    image: str | None = None
    build: str | None = None
    time: float = 60.0
    clients: int = 10
    rate: float = 200.0
    timeout: float = 1.0
    seed: int | None = None
    settings: dict[str, str] = {}
    store: str = "store"
    name: str | None = None
    check_time: float = 60.0
    check_memory: int = 1 << 30
    stop_on_anomaly: bool = False
    strict: bool = False
    keep_cluster: bool = False
    replay: str | None = None

    def __post_init__(self) -> None:
        """Take texts as the command line does, and count the members of a cluster that is already there.

        `Test(workload="register", faults="kill,pause", time="30s")` is what most people write first.
        """
        for name, read in _FROM_TEXT.items():
            value = getattr(self, name)
            if isinstance(value, str):
                try:
                    msgspec.structs.force_setattr(self, name, read(value))
                except ValueError as error:
                    raise UsageError(f"{name}: {error}") from error
        if self.endpoints:
            msgspec.structs.force_setattr(self, "nodes", len(self.endpoints))

    @property
    def system_name(self) -> str:
        """The system without its release."""
        return self.system.partition("@")[0]

    @property
    def release(self) -> str | None:
        """The release asked for, or None for the system's default."""
        return self.system.partition("@")[2] or None

    @property
    def title(self) -> str:
        """The run's name in the store: given, or made of system, workload and faults."""
        return self.titled(self.faults)

    def titled(self, named: tuple[str, ...]) -> str:
        """Return the run's name where it has these faults; a schedule file tells them."""
        if self.name:
            return self.name
        faults = "-".join(fault.replace(":", "_") for fault in named) or "none"
        return f"{self.system_name}-{'+'.join(self.workload)}-{faults}"

    def validate(self) -> None:
        """Raise `UsageError` (or `registry.UnknownNameError`) for what cannot work on any machine."""
        registry.check("systems", self.system_name)
        for workload in self.workload:
            registry.check("workloads", workload)
        for fault in self.faults:
            if fault != "none":
                registry.check("faults", fault.partition(":")[0])
        if self.cluster not in CLUSTERS:
            hint = registry.did_you_mean(self.cluster, list(CLUSTERS))
            msg = f'unknown cluster "{self.cluster}"{hint} (known: {", ".join(CLUSTERS)})'
            raise UsageError(msg)
        why = unfit(self.name) if self.name is not None else None
        if why is not None:
            raise UsageError(f"--name: {why}")
        self._validate_numbers()
        self._validate_places()

    def _validate_numbers(self) -> None:
        most_nodes, most_clients, least_memory = 63, 100_000, 16 << 20
        durations = (self.time, self.timeout, self.fault_interval, self.check_time)
        rules = (
            (1 <= self.nodes <= most_nodes, f"--nodes {self.nodes}: give 1 to {most_nodes} nodes"),
            (
                1 <= self.clients <= most_clients,
                f"--clients {self.clients}: give 1 to {most_clients} clients",
            ),
            (
                not self.system.endswith("@"),
                f"{self.system} names no release: write SYSTEM or SYSTEM@RELEASE",
            ),
            (self.time > 0, "--time must be positive"),
            (all(map(math.isfinite, durations)), "a duration must be a finite number of seconds"),
            (
                "none" not in self.faults or len(self.faults) == 1,
                f"-f {','.join(self.faults)}: none cannot be combined with other faults",
            ),
            (self.check_time > 0, "--check-time must be positive"),
            (self.check_memory >= least_memory, f"--check-memory {self.check_memory}: give 16MiB or more"),
            (self.timeout > 0, "--timeout must be positive"),
            (
                math.isfinite(self.rate) and self.rate >= 0,
                f"--rate {self.rate:g}: give a number of operations per second, 0 for as fast as possible",
            ),
            (self.fault_interval > 0, "--fault-interval must be positive"),
            (len(self.workload) > 0, "name at least one workload with -w"),
            (len(set(self.workload)) == len(self.workload), "name each workload once"),
            (self.clients >= len(self.workload), "give at least one client to each workload"),
            (self.schedule is None or not self.faults, "give either --faults or --schedule, not both"),
            (
                not self.faults or self.fault_interval < self.time,
                (
                    f"--fault-interval {format_duration(self.fault_interval)} leaves no room for a fault in "
                    f"--time {format_duration(self.time)}"
                ),
            ),
        )
        _hold(rules)

    def _validate_places(self) -> None:
        """Check where nodes live and what runs on them."""
        _hold(
            (
                (
                    self.image is None
                    or (self.cluster in ("auto", "docker") and self.system_name != "simulated"),
                    f"--image {self.image} needs --cluster docker and a real service",
                ),
                (
                    self.build is None
                    or (
                        self.image is None
                        and self.release is None
                        and self.system_name != "simulated"
                        and "binary" not in self.settings
                    ),
                    f"--build {self.build} is the server: give no release, no --image and no --set binary beside it",
                ),
                (
                    (self.cluster == "running") == bool(self.endpoints),
                    "--cluster running and --endpoints HOST:PORT,… belong together",
                ),
                (
                    self.cluster != "running"
                    or not (self.faults or self.schedule or self.replay or self.release or self.build),
                    "--cluster running takes no faults, no release and no --build: its servers are not quorate's",
                ),
                (
                    self.cluster != "ssh" or self.inventory is not None,
                    "--cluster ssh needs --inventory FILE.toml",
                ),
                (
                    self.cluster in ("auto", "simulated") or self.system_name != "simulated",
                    f"--cluster {self.cluster} needs a real service: simulated runs inside this process",
                ),
                (
                    self.cluster != "simulated" or self.system_name == "simulated",
                    f"--cluster simulated is for the system simulated; {self.system_name} runs on docker, local or ssh",
                ),
            )
        )

    def command(self) -> str:
        """The exact command that asks for the same run again."""
        default = Test()
        words = ["quorate", "test", self.system]
        for workload in self.workload:
            words += ["-w", workload]
        words += ["-f", ",".join(self.faults)] if self.faults else []
        options: list[tuple[str, Any, Any, str]] = [
            (
                "--fault-interval",
                self.fault_interval,
                default.fault_interval,
                exact_duration(self.fault_interval),
            ),
            ("--schedule", self.schedule, None, str(self.schedule)),
            ("--cluster", self.cluster, default.cluster, self.cluster),
            ("--inventory", self.inventory, None, str(self.inventory)),
            ("--endpoints", self.endpoints, (), ",".join(self.endpoints)),
            (
                "--nodes",
                default.nodes if self.endpoints else self.nodes,
                default.nodes,
                str(self.nodes),
            ),
            ("--image", self.image, None, str(self.image)),
            ("--build", self.build, None, str(self.build)),
            ("--time", self.time, default.time, exact_duration(self.time)),
            ("--clients", self.clients, default.clients, str(self.clients)),
            ("--rate", self.rate, default.rate, exact_number(self.rate)),
            ("--timeout", self.timeout, default.timeout, exact_duration(self.timeout)),
            ("--check-time", self.check_time, default.check_time, exact_duration(self.check_time)),
            ("--check-memory", self.check_memory, default.check_memory, str(self.check_memory)),
            ("--name", self.name, None, str(self.name)),
            ("--store", self.store, default.store, self.store),
            ("--seed", self.seed, None, str(self.seed)),
        ]
        for flag, value, usual, text in options:
            words += [flag, text] if value != usual else []
        words += ["--stop-on-anomaly"] if self.stop_on_anomaly else []
        words += ["--strict"] if self.strict else []
        words += ["--keep-cluster"] if self.keep_cluster else []
        for key, value in sorted(self.settings.items()):
            words += ["--set", f"{key}={value}"]
        return shlex.join(words)


def _hold(rules: Iterable[tuple[bool, str]]) -> None:
    """Raise `UsageError` with the sentence of the first rule that does not hold."""
    for holds, sentence in rules:
        if not holds:
            raise UsageError(sentence)
