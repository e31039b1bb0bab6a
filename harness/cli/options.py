"""Options shared by `test`, `replay` and `campaign`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from quorate.harness.cli import completing
from quorate.harness.core.duration import parse_duration, parse_size
from quorate.harness.core.options import Kind, Option
from quorate.harness.core.test import OPTIONS, Test

Command = TypeVar("Command", bound=Callable[..., Any])
_DEFAULT = Test()


class DurationType(click.ParamType[float]):
    """A duration such as 500ms, 30s, 5m, 1h, given in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse, or fail with the forms there are."""
        if isinstance(value, float | int):
            return float(value)
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class SizeType(click.ParamType[int]):
    """A size such as 256MiB or 1GiB, given in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse, or fail with the forms there are."""
        if isinstance(value, int):
            return value
        try:
            return parse_size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _split(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    parts = tuple(part.strip() for part in value.split(",") if part.strip())
    return () if parts == ("none",) else parts


def _settings(_ctx: click.Context, _param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str] | None:
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            msg = f'"{pair}" is not KEY=VALUE, as in --set reads=serializable'
            raise click.BadParameter(msg)
        settings[key.strip()] = value
    return settings or None


def settings_option(text: str) -> Callable[[Command], Command]:
    """Return the decorator that adds `--set KEY=VALUE`, read into a dictionary."""
    return click.option(
        "--set", "settings", metavar="KEY=VALUE", multiple=True, callback=_settings, help=text
    )


def split_option(*names: str, **more: Any) -> Callable[[Command], Command]:
    """Return the decorator that adds an option whose value is a list with commas."""
    return click.option(*names, callback=_split, **more)


def jobs_option(command: Command) -> Command:
    """Add --jobs: how many runs there are at once."""
    option = click.option(
        "--jobs",
        type=click.IntRange(1, 64),
        default=1,
        help="Number of concurrent runs, each on its own cluster.",
    )
    return option(command)


def only_option(command: Command) -> Command:
    """Add --only: which of a run's anomalies an experiment follows."""
    option = click.option(
        "--only",
        multiple=True,
        metavar="KIND",
        help="Follow only this anomaly, e.g. linearizable:stale-read.",
    )
    return option(command)


_COMPLETE: Final = {
    "workload": completing.workloads,
    "faults": completing.faults,
    "settings": completing.settings,
}


_AS_CLICK: Final[dict[Kind, dict[str, Any]]] = {
    Kind.TEXT: {},
    Kind.FILE: {"type": click.Path(dir_okay=False)},
    Kind.FOLDER: {"type": click.Path(file_okay=False)},
    Kind.NAMES: {"callback": _split},
    Kind.REPEATED: {"multiple": True},
    Kind.WHOLE: {"type": int},
    Kind.NUMBER: {"type": float},
    Kind.DURATION: {"type": DurationType()},
    Kind.SIZE: {"type": SizeType()},
    Kind.FLAG: {"is_flag": True, "default": None},
    Kind.SETTINGS: {"multiple": True, "callback": _settings},
}


def _option(option: Option) -> Callable[[Command], Command]:
    """Return the decorator that adds an option of a test; it is None where it was not given."""
    names = [name for name in (option.short, option.flag, option.field) if name]
    return click.option(
        *names,
        metavar=option.metavar,
        shell_complete=_COMPLETE.get(option.field),
        help=option.help + _usual(option),
        **_AS_CLICK[option.kind],
    )


def _usual(option: Option) -> str:
    """Return the default for the help, empty where it is nothing."""
    value = getattr(_DEFAULT, option.field)
    shown = option.note or ("" if value in (None, False, (), {}) else option.shown(value))
    return f" [{shown}]" if shown else ""


def test_options(command: Command) -> Command:
    """Add all options of a test to a click command; each defaults to None: not given."""
    for option in reversed(OPTIONS):
        if not option.positional:
            command = _option(option)(command)
    return command


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return only the options that were given, as fields of `Test`."""
    found = {name: value for name, value in options.items() if value is not None and value != ()}
    if "faults" in options and options["faults"] == ():
        found["faults"] = ()
    return found
