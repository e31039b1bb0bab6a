"""What an option of a test is: how its values are written, limited and explained.

    fault_interval: Annotated[float, Option(Kind.DURATION, "Time between faults.", wrong=positive)] = 5.0

A field of `Test` (`harness/core/test.py`) declares its option so, once. From it come the flags of `quorate test`,
`replay` and `campaign`, the key in campaign files, the limit that `Test.validate` checks, the command that repeats the
run, `test.json` and the reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Final, get_type_hints

import msgspec

from quorate.harness.core.duration import exact_duration, exact_number, parse_duration, parse_size


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

    `wrong` takes the flag and a value, and returns why the value cannot work on any machine, or None. `always` writes
    the option into commands even where it is the default. `declared` fills in `field`.
    """

    kind: Kind
    help: str
    metavar: str | None = None
    short: str = ""
    note: str = ""
    wrong: Callable[[str, Any], str | None] = lambda _flag, _value: None
    in_files: bool = True
    always: bool = False
    positional: bool = False
    field: str = ""

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


def positive(flag: str, seconds: float) -> str | None:
    """Refuse durations that are not finite and positive."""
    if not math.isfinite(seconds):
        return "a duration must be a finite number of seconds"
    return None if seconds > 0 else f"{flag} must be positive"


def up_to(most: int, noun: str) -> Callable[[str, int], str | None]:
    """Refuse counts outside 1 to `most`."""
    return lambda flag, count: None if 1 <= count <= most else f"{flag} {count}: give 1 to {most} {noun}"


def declared(record: type[msgspec.Struct]) -> tuple[Option, ...]:
    """Return the options that the fields of a record declare, in their order."""
    hints = get_type_hints(record, include_extras=True)
    return tuple(
        msgspec.structs.replace(option, field=name)
        for name in record.__struct_fields__
        for option in getattr(hints[name], "__metadata__", ())
        if isinstance(option, Option)
    )
