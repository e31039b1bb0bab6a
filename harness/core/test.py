"""One test as plain data: every option of `quorate test`, validated before anything starts."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from quorate.harness.core import combining, registry
from quorate.harness.core.options import MEANT_BY_TEXT, Kind, Option, declared, positive, up_to
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


_MEMORY_LEAST: Final = 16 << 20


def _workload(flag: str, names: tuple[str, ...]) -> str | None:
    if not names:
        return f"name at least one workload with {flag}"
    return None if len(set(names)) == len(names) else "name each workload once"


def _faults(flag: str, faults: tuple[str, ...]) -> str | None:
    if "none" not in faults or len(faults) == 1:
        return None
    return f"{flag} {','.join(faults)}: none cannot be combined with other faults"


def _cluster(_flag: str, kind: str) -> str | None:
    if kind in CLUSTERS:
        return None
    hint = registry.did_you_mean(kind, list(CLUSTERS))
    return f'unknown cluster "{kind}"{hint} (known: {", ".join(CLUSTERS)})'


def _rate(flag: str, rate: float) -> str | None:
    if math.isfinite(rate) and rate >= 0:
        return None
    return f"{flag} {rate:g}: give a number of operations per second, 0 for as fast as possible"


def _name(flag: str, name: str | None) -> str | None:
    why = None if name is None else unfit(name)
    return why and f"{flag}: {why}"


def _memory(flag: str, size: int) -> str | None:
    return None if size >= _MEMORY_LEAST else f"{flag} {size}: give 16MiB or more"


class Test(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one run is. Durations in seconds, sizes in bytes, `rate` in operations per second (0: unlimited).

    A field declares its option: the flag of `quorate test`, the key of campaign files and the rest follow
    (`quorate/harness/core/options.py`). `system` may carry its release (`etcd@3.5.16`). A `seed` of None is drawn at
    the start and stored.
    """

    # pytest would otherwise take a class named Test for a test case.
    __test__ = False

    system: Annotated[str, Option(Kind.TEXT, "The system under test.", positional=True)] = "etcd"
    workload: Annotated[
        tuple[str, ...],
        Option(
            Kind.REPEATED,
            "Workload that clients run; repeat to run several side by side.",
            metavar="NAME",
            short="-w",
            wrong=_workload,
            always=True,
        ),
    ] = ("register",)
    faults: Annotated[
        tuple[str, ...],
        Option(
            Kind.NAMES,
            "Faults to inject, NAME[:TARGET],… or none; e.g. partition:leader,kill:one.",
            metavar="LIST",
            short="-f",
            wrong=_faults,
        ),
    ] = ()
    fault_interval: Annotated[float, Option(Kind.DURATION, "Time between faults.", wrong=positive)] = 5.0
    schedule: Annotated[
        str | None, Option(Kind.FILE, "Inject exactly these faults at these times (TOML).")
    ] = None
    cluster: Annotated[
        str,
        Option(
            Kind.TEXT,
            "Where servers run: auto, docker, local, ssh, running or compose.",
            metavar="KIND",
            wrong=_cluster,
        ),
    ] = "auto"
    inventory: Annotated[str | None, Option(Kind.FILE, "Hosts for --cluster ssh (TOML).")] = None
    endpoints: Annotated[
        tuple[str, ...],
        Option(
            Kind.NAMES,
            "HOST:PORT,… of a cluster that is already there, for --cluster running.",
            metavar="LIST",
        ),
    ] = ()
    file: Annotated[
        str | None, Option(Kind.FILE, "Docker Compose file of a cluster, for --cluster compose.")
    ] = None
    service: Annotated[
        tuple[str, ...],
        Option(
            Kind.NAMES,
            "Services of that file that are members, n1=SERVICE[:PORT],…, for --cluster compose.",
            metavar="LIST",
        ),
    ] = ()
    nodes: Annotated[int, Option(Kind.WHOLE, "Number of servers.", wrong=up_to(63, "nodes"))] = 3
    image: Annotated[
        str | None, Option(Kind.TEXT, "Docker image to take the server from.", metavar="NAME")
    ] = None
    build: Annotated[
        str | None,
        Option(Kind.TEXT, "Checkout to build the server (etcd, Consul) from.", metavar="DIR[@REV]"),
    ] = None
    time: Annotated[float, Option(Kind.DURATION, "Duration of the load.", wrong=positive)] = 60.0
    clients: Annotated[
        int, Option(Kind.WHOLE, "Number of concurrent clients.", wrong=up_to(100_000, "clients"))
    ] = 10
    rate: Annotated[
        float, Option(Kind.NUMBER, "Total operations per second; 0 for no limit.", wrong=_rate)
    ] = 200.0
    timeout: Annotated[float, Option(Kind.DURATION, "Deadline of each client operation.", wrong=positive)] = (
        1.0
    )
    seed: Annotated[
        int | None, Option(Kind.WHOLE, "Seed of every random choice.", note="drawn and printed")
    ] = None
    settings: Annotated[
        dict[str, str],
        Option(
            Kind.SETTINGS,
            "Set an option of the system, workload or fault (see `quorate list workloads NAME`).",
            metavar="KEY=VALUE",
        ),
    ] = {}
    store: Annotated[str, Option(Kind.FOLDER, "Directory for runs.", note="./store")] = "store"
    name: Annotated[
        str | None,
        Option(Kind.TEXT, "Name of the run's folder in the store.", metavar="NAME", wrong=_name),
    ] = None
    check_time: Annotated[float, Option(Kind.DURATION, "Time limit of the checkers.", wrong=positive)] = 60.0
    check_memory: Annotated[
        int, Option(Kind.SIZE, "Memory limit of the checkers.", note="1GiB", wrong=_memory)
    ] = 1 << 30
    stop_on_anomaly: Annotated[bool, Option(Kind.FLAG, "End the run at the first anomaly.")] = False
    strict: Annotated[bool, Option(Kind.FLAG, "Count documented weaknesses as anomalies.")] = False
    keep_cluster: Annotated[bool, Option(Kind.FLAG, "Leave the nodes up for inspection.", in_files=False)] = (
        False
    )
    replay: str | None = None  # the run whose operations are done again; `quorate replay` sets it

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
        """Return the run's name where it has these faults; a schedule file names them."""
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
        for option in OPTIONS:
            why = option.wrong(option.short or option.flag, getattr(self, option.field))
            if why is not None:
                raise UsageError(why)
        combining.validate(self, _registered(self.system_name).own_server)

    def command(self) -> str:
        """The exact command that asks for the same run again."""
        usual = Test()
        words = ["quorate", "test", self.system]
        for option in OPTIONS:
            if option.positional:
                continue
            value = getattr(self, option.field)
            counted = option.field == "nodes" and (self.endpoints or self.service)  # by them
            if not counted and (option.always or value != getattr(usual, option.field)):
                words += option.words(value)
        return shlex.join(words)


OPTIONS: Final = declared(Test)
