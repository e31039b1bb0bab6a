"""The options of a test, each declared once.

From this table come the flags of `quorate test`, `replay` and `campaign`, the keys of campaign files, the limits that
`Test.validate` holds them to, and the command that asks for the same test again. The defaults stand in `Test`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Final

import msgspec

from quorate.harness.core.duration import exact_duration, exact_number, parse_duration, parse_size

_NODES_MOST, _CLIENTS_MOST = 63, 100_000
_MEMORY_LEAST: Final = 16 << 20


class Kind(Enum):
    """What the values of an option are, and how they are written on a command line and in a TOML file."""

    TEXT = auto()
    FILE = auto()  # a path
    FOLDER = auto()
    NAMES = auto()  # a list with commas; "none" alone is nothing
    REPEATED = auto()  # a flag for each name
    WHOLE = auto()
    NUMBER = auto()
    DURATION = auto()  # seconds; 500ms
    SIZE = auto()  # bytes; 1GiB
    FLAG = auto()
    SETTINGS = auto()  # KEY=VALUE, repeated


# What a text stands for where a Python caller writes one: `Test(faults="kill,pause", time="30s")`.
MEANT_BY_TEXT: Final = frozenset({Kind.NAMES, Kind.REPEATED, Kind.DURATION, Kind.SIZE})


class Option(msgspec.Struct, frozen=True):
    """One field of `Test` as people write it. `note` stands for the default in help where the value would not say it.

    `wrong` returns why a value cannot work on any machine, or None. `always` writes it into commands even where it is
    the default.
    """

    field: str
    kind: Kind
    help: str
    metavar: str | None = None
    short: str = ""
    note: str = ""
    wrong: Callable[[Any], str | None] = lambda _: None
    in_files: bool = True
    always: bool = False

    @property
    def flag(self) -> str:
        """The option on a command line."""
        return "--set" if self.kind is Kind.SETTINGS else f"--{self.field.replace('_', '-')}"

    def words(self, value: Any) -> list[str]:
        """Return the words of a command line that give this value, exactly."""
        flag = self.short or self.flag
        match self.kind:
            case Kind.FLAG:
                return [flag] if value else []
            case Kind.SETTINGS:
                return [word for key, one in sorted(value.items()) for word in (flag, f"{key}={one}")]
            case Kind.REPEATED:
                return [word for one in value for word in (flag, one)]
            case Kind.NAMES:
                return [flag, ",".join(value) or "none"]
            case _:
                return [flag, self.shown(value)]

    def shown(self, value: Any) -> str:
        """Return a single value as it is written, exactly."""
        match self.kind:
            case Kind.DURATION:
                return exact_duration(value)
            case Kind.NUMBER:
                return exact_number(value)
            case Kind.NAMES | Kind.REPEATED:
                return ",".join(value)
            case _:
                return str(value)

    def from_file(self, value: Any) -> Any:
        """Return what a TOML value means; raise `ValueError` with what to write instead."""
        return _FROM_FILE[self.kind](value)


def text(value: Any) -> str:
    """Return a text of a file; raise `ValueError` for anything else."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} must be a text in quotes")
    return value


def whole(value: Any) -> int:
    """Return a whole number of a file; raise `ValueError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} must be a whole number")
    return value


def number(value: Any) -> float:
    """Return a number of a file; raise `ValueError` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} must be a number")
    return float(value)


def _names(value: Any) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else text(value).split(",")
    found = tuple(filter(None, (text(part).strip() for part in parts)))
    return () if found == ("none",) else found


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} must be true or false")
    return value


def _size(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else parse_size(text(value))


def _settings(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f'{value!r} must be a table: settings = {{ reads = "serializable" }}')
    return {
        str(key): str(item).lower() if isinstance(item, bool) else str(item) for key, item in value.items()
    }


_FROM_FILE: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    Kind.TEXT: text,
    Kind.FILE: text,
    Kind.FOLDER: text,
    Kind.NAMES: _names,
    Kind.REPEATED: _names,
    Kind.WHOLE: whole,
    Kind.NUMBER: number,
    Kind.DURATION: lambda value: parse_duration(text(value)),
    Kind.SIZE: _size,
    Kind.FLAG: _flag,
    Kind.SETTINGS: _settings,
}


def _positive(flag: str) -> Callable[[float], str | None]:
    def wrong(seconds: float) -> str | None:
        if not math.isfinite(seconds):
            return "a duration must be a finite number of seconds"
        return None if seconds > 0 else f"{flag} must be positive"

    return wrong


def _up_to(flag: str, most: int, noun: str) -> Callable[[int], str | None]:
    return lambda count: None if 1 <= count <= most else f"{flag} {count}: give 1 to {most} {noun}"


def _rate(rate: float) -> str | None:
    if math.isfinite(rate) and rate >= 0:
        return None
    return f"--rate {rate:g}: give a number of operations per second, 0 for as fast as possible"


def _memory(size: int) -> str | None:
    return None if size >= _MEMORY_LEAST else f"--check-memory {size}: give 16MiB or more"


def _workload(names: tuple[str, ...]) -> str | None:
    if not names:
        return "name at least one workload with -w"
    return None if len(set(names)) == len(names) else "name each workload once"


def _faults(faults: tuple[str, ...]) -> str | None:
    if "none" not in faults or len(faults) == 1:
        return None
    return f"-f {','.join(faults)}: none cannot be combined with other faults"


SYSTEM: Final = Option("system", Kind.TEXT, "The system under test.")
OPTIONS: Final = (
    Option(
        "workload",
        Kind.REPEATED,
        "Workload that clients run; repeat to run several side by side.",
        metavar="NAME",
        short="-w",
        wrong=_workload,
        always=True,
    ),
    Option(
        "faults",
        Kind.NAMES,
        "Faults to inject, NAME[:TARGET],… or none; e.g. partition:leader,kill:one.",
        metavar="LIST",
        short="-f",
        wrong=_faults,
    ),
    Option("fault_interval", Kind.DURATION, "Time between faults.", wrong=_positive("--fault-interval")),
    Option("schedule", Kind.FILE, "Inject exactly these faults at these times (TOML)."),
    Option(
        "cluster",
        Kind.TEXT,
        "Where servers run: auto, docker, local, ssh, running or compose.",
        metavar="KIND",
    ),
    Option("inventory", Kind.FILE, "Hosts for --cluster ssh (TOML)."),
    Option(
        "endpoints",
        Kind.NAMES,
        "HOST:PORT,… of a cluster that is already there, for --cluster running.",
        metavar="LIST",
    ),
    Option("file", Kind.FILE, "Docker Compose file of a cluster, for --cluster compose."),
    Option(
        "service",
        Kind.NAMES,
        "Services of that file that are members, n1=SERVICE[:PORT],…, for --cluster compose.",
        metavar="LIST",
    ),
    Option("nodes", Kind.WHOLE, "Number of servers.", wrong=_up_to("--nodes", _NODES_MOST, "nodes")),
    Option("image", Kind.TEXT, "Docker image to take the server from.", metavar="NAME"),
    Option("build", Kind.TEXT, "Checkout to build the server (etcd, Consul) from.", metavar="DIR[@REV]"),
    Option("time", Kind.DURATION, "Duration of the load.", wrong=_positive("--time")),
    Option(
        "clients",
        Kind.WHOLE,
        "Number of concurrent clients.",
        wrong=_up_to("--clients", _CLIENTS_MOST, "clients"),
    ),
    Option("rate", Kind.NUMBER, "Total operations per second; 0 for no limit.", wrong=_rate),
    Option("timeout", Kind.DURATION, "Deadline of each client operation.", wrong=_positive("--timeout")),
    Option("seed", Kind.WHOLE, "Seed of every random choice.", note="drawn and printed"),
    Option(
        "settings",
        Kind.SETTINGS,
        "Set an option of the system, workload or fault (see `quorate list workloads NAME`).",
        metavar="KEY=VALUE",
    ),
    Option("store", Kind.FOLDER, "Directory for runs.", note="./store"),
    Option("name", Kind.TEXT, "Name of the run's folder in the store.", metavar="NAME"),
    Option("check_time", Kind.DURATION, "Time limit of the checkers.", wrong=_positive("--check-time")),
    Option("check_memory", Kind.SIZE, "Memory limit of the checkers.", note="1GiB", wrong=_memory),
    Option("stop_on_anomaly", Kind.FLAG, "End the run at the first anomaly."),
    Option("strict", Kind.FLAG, "Count documented weaknesses as anomalies."),
    Option("keep_cluster", Kind.FLAG, "Leave the nodes up for inspection.", in_files=False),
)
BY_FIELD: Final[Mapping[str, Option]] = {option.field: option for option in (SYSTEM, *OPTIONS)}
