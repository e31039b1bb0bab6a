"""Options shared by `test`, `replay` and `campaign`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from quorate.harness.cli import completing
from quorate.harness.core.duration import format_duration, parse_duration, parse_size
from quorate.harness.core.test import Test

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
    """Add --jobs: how many runs go on at once."""
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


def _note(default: float) -> str:
    return f" [{format_duration(default)}]"


_OPTIONS = (
    click.option(
        "-w",
        "--workload",
        metavar="NAME",
        multiple=True,
        shell_complete=completing.workloads,
        help="Workload that clients run; repeat to run several side by side. [register]",
    ),
    click.option(
        "-f",
        "--faults",
        metavar="LIST",
        callback=_split,
        shell_complete=completing.faults,
        help="Faults to inject, NAME[:TARGET],… or none; e.g. partition:leader,kill:one.",
    ),
    click.option(
        "--fault-interval", type=DurationType(), help="Time between faults." + _note(_DEFAULT.fault_interval)
    ),
    click.option(
        "--schedule",
        type=click.Path(dir_okay=False),
        help="Inject exactly these faults at these times (TOML).",
    ),
    click.option(
        "--cluster", metavar="KIND", help="Where servers run: auto, docker, local, ssh or running. [auto]"
    ),
    click.option("--inventory", type=click.Path(dir_okay=False), help="Hosts for --cluster ssh (TOML)."),
    click.option(
        "--endpoints",
        metavar="LIST",
        callback=_split,
        help="HOST:PORT,… of a cluster that is already there, for --cluster running.",
    ),
    click.option("--nodes", type=int, help=f"Number of servers. [{_DEFAULT.nodes}]"),
    click.option("--image", metavar="NAME", help="Docker image to take the server from."),
    click.option("--build", metavar="DIR[@REV]", help="Checkout to build the server (etcd, Consul) from."),
    click.option("--time", type=DurationType(), help="Duration of the load." + _note(_DEFAULT.time)),
    click.option("--clients", type=int, help=f"Number of concurrent clients. [{_DEFAULT.clients}]"),
    click.option(
        "--rate", type=float, help=f"Total operations per second; 0 for no limit. [{_DEFAULT.rate:g}]"
    ),
    click.option(
        "--timeout", type=DurationType(), help="Deadline of each client operation." + _note(_DEFAULT.timeout)
    ),
    click.option("--seed", type=int, help="Seed of every random choice. [drawn and printed]"),
    click.option(
        "--set",
        "settings",
        metavar="KEY=VALUE",
        multiple=True,
        callback=_settings,
        shell_complete=completing.settings,
        help="Set an option of the system, workload or fault (see `quorate list workloads NAME`).",
    ),
    click.option("--store", type=click.Path(file_okay=False), help="Directory for runs. [./store]"),
    click.option("--name", metavar="NAME", help="Name of the run's folder in the store."),
    click.option(
        "--check-time", type=DurationType(), help="Time limit of the checkers." + _note(_DEFAULT.check_time)
    ),
    click.option("--check-memory", type=SizeType(), help="Memory limit of the checkers. [1GiB]"),
    click.option("--stop-on-anomaly", is_flag=True, default=None, help="End the run at the first anomaly."),
    click.option("--strict", is_flag=True, default=None, help="Count documented weaknesses as anomalies."),
    click.option("--keep-cluster", is_flag=True, default=None, help="Leave the nodes up for inspection."),
)


def test_options(command: Command) -> Command:
    """Add all options of a test to a click command; each defaults to None: not given."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return only the options that were given, as fields of `Test`."""
    found = {name: value for name, value in options.items() if value is not None and value != ()}
    if "faults" in options and options["faults"] == ():
        found["faults"] = ()
    return found
