"""One test as plain data: every option of `quorate test`, validated before anything starts."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from quorate.harness.core import registry
from quorate.harness.core.duration import format_duration
from quorate.harness.core.options import MEANT_BY_TEXT, OPTIONS
from quorate.harness.core.outcome import UsageError
from quorate.harness.core.store import unfit

if TYPE_CHECKING:
    from quorate.harness.core.system import System

__all__ = ["CLUSTERS", "THEIRS", "Test", "UsageError"]

CLUSTERS: Final = ("auto", "docker", "local", "ssh", "running", "compose", "simulated")
THEIRS: Final = frozenset({"running", "compose"})  # whose servers are not quorate's


def _registered(system: str) -> type[System]:
    # Late: what systems are made of is a third of what starting `quorate check` costs.
    from quorate.harness.core.system import registered  # noqa: PLC0415

    return registered(system)


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
    file: str | None = None
    service: tuple[str, ...] = ()
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
        for option in OPTIONS:
            value = getattr(self, option.field)
            if isinstance(value, str) and option.kind in MEANT_BY_TEXT:
                try:
                    msgspec.structs.force_setattr(self, option.field, option.from_file(value))
                except ValueError as error:
                    raise UsageError(f"{option.field}: {error}") from error
        if named := self.endpoints or self.service:
            msgspec.structs.force_setattr(self, "nodes", len(named))

    @property
    def system_name(self) -> str:
        """The system without its release."""
        return self.system.partition("@")[0]

    @property
    def release(self) -> str | None:
        """The release asked for, or None for the system's default."""
        return self.system.partition("@")[2] or None

    @property
    def virtual(self) -> bool:
        """Whether the run happens in this process, in virtual time; raises `UnknownNameError`."""
        return _registered(self.system_name).virtual

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
        _hold((not why, why or "") for one in OPTIONS for why in [one.wrong(getattr(self, one.field))])
        self._validate_together()
        self._validate_places()

    def _validate_together(self) -> None:
        """Check what single values are good for beside each other."""
        _hold(
            (
                (
                    not self.system.endswith("@"),
                    f"{self.system} names no release: write SYSTEM or SYSTEM@RELEASE",
                ),
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
        )

    def _validate_places(self) -> None:
        """Check where nodes live and what runs on them."""
        _hold(
            (
                (
                    self.image is None or (self.cluster in ("auto", "docker") and not self.virtual),
                    f"--image {self.image} needs --cluster docker and a real service",
                ),
                (
                    self.build is None
                    or (
                        self.image is None
                        and self.release is None
                        and not self.virtual
                        and _registered(self.system_name).own_server not in self.settings
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
                    (self.cluster == "compose") == bool(self.file) == bool(self.service),
                    "--cluster compose, --file docker-compose.yml and --service n1=SERVICE,… belong together",
                ),
                (
                    self.cluster != "compose" or not (self.release or self.build),
                    "--cluster compose takes no release and no --build: the file says what runs",
                ),
                (
                    self.cluster != "ssh" or self.inventory is not None,
                    "--cluster ssh needs --inventory FILE.toml",
                ),
                (
                    self.cluster in ("auto", "simulated") or not self.virtual,
                    f"--cluster {self.cluster} needs a real service: {self.system_name} runs inside this process",
                ),
                (
                    self.cluster != "simulated" or self.virtual,
                    f"--cluster simulated is for simulated systems; {self.system_name} runs on docker, local or ssh",
                ),
            )
        )

    def command(self) -> str:
        """The exact command that asks for the same run again."""
        usual = Test()
        words = ["quorate", "test", self.system]
        for option in OPTIONS:
            value = getattr(self, option.field)
            counted = option.field == "nodes" and (self.endpoints or self.service)  # by them
            if not counted and (option.always or value != getattr(usual, option.field)):
                words += option.words(value)
        return shlex.join(words)


def _hold(rules: Iterable[tuple[bool, str]]) -> None:
    """Raise `UsageError` with the sentence of the first rule that does not hold."""
    for holds, sentence in rules:
        if not holds:
            raise UsageError(sentence)
