"""`quorate list`: what there is, one line each."""

from __future__ import annotations

import inspect
import json
import shutil
import sys
import textwrap
from collections.abc import Callable
from typing import Any, Final

import click

from quorate.harness.cli import completing
from quorate.harness.core import fault, registry, system
from quorate.harness.core.outcome import Broken, UsageError
from quorate.harness.core.settings import described
from quorate.nemesis.schedule import NemesisSettings

Row = tuple[str, str]
_TOLD: Final[dict[str, registry.Group]] = {"systems": "systems", "workloads": "workloads", "faults": "faults"}
_ROOM_LEAST: Final = 20
_PAGE: Final = 110


def _first_line(part: Any) -> str:
    text = inspect.getdoc(part) or inspect.getdoc(sys.modules[part.__module__]) or ""
    return text.strip().split("\n")[0]


def _part(group: registry.Group, name: str) -> Any:
    match group:
        case "faults":
            return fault.registered(name)
        case "systems":
            return system.registered(name)
        case _:
            return registry.find(group, name)


def _parts(group: registry.Group) -> list[Row]:
    rows = []
    for name in registry.names(group):
        try:
            part = _part(group, name)
        except Broken as error:
            rows.append((name, error.text))
            continue
        targets = (
            f" [targets: {', '.join(part.targets)}]"
            if isinstance(part, type) and issubclass(part, fault.Fault)
            else ""
        )
        rows.append((name, _first_line(part) + targets))
    return rows


def _models() -> list[Row]:
    from quorate.checkers import MODELS  # noqa: PLC0415 - keeps --help quick

    return sorted(MODELS.items())


def _campaigns() -> list[Row]:
    from quorate.harness.campaign.shipped import described  # noqa: PLC0415 - keeps --help quick

    return sorted(described().items())


def _releases(of: str | None) -> list[Row]:
    from quorate.harness.systems.releases import SYSTEMS, list_releases  # noqa: PLC0415 - keeps --help quick

    if of is not None:
        registry.check("systems", of)
    systems = [of] if of else list(SYSTEMS)
    rows = []
    for name in systems:
        for row in list_releases(name):
            cached = "cached" if row.cached else "not cached"
            rows.append(
                (f"{name}@{row.release}", f"{row.way}, {cached}" + (f"; {row.note}" if row.note else ""))
            )
    return rows


KINDS: Final[dict[str, Callable[[], list[Row]]]] = {
    "systems": lambda: _parts("systems"),
    "workloads": lambda: _parts("workloads"),
    "faults": lambda: _parts("faults"),
    "checkers": lambda: _parts("checkers"),
    "reports": lambda: _parts("reports"),
    "models": _models,
    "campaigns": _campaigns,
}


@click.command(
    "list",
    epilog="""\b
Examples:
  quorate list faults
  quorate list workloads register
  quorate list releases etcd
""",
)
@click.argument("kind", metavar="KIND", type=click.Choice([*KINDS, "releases"]))
@click.argument("name", required=False, shell_complete=completing.listed)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object of names and descriptions.")
def command(kind: str, name: str | None, as_json: bool) -> None:  # noqa: FBT001
    """List what quorate knows of KIND, a line each.

    Kinds are systems, releases, campaigns, workloads, faults, checkers, models and reports.

    With the NAME of a system, workload or fault: what it is, and what --set can change in it. With that of a system,
    `releases` lists its alone.
    """
    if name is not None and kind != "releases":
        _tell(kind, name, as_json=as_json)
        return
    rows = _releases(name) if kind == "releases" else KINDS[kind]()
    if as_json:
        click.echo(json.dumps(dict(rows), indent=2))
        return
    _print(rows)


def _print(rows: list[Row], columns: int | None = None) -> None:
    """Print a table of two columns, wrapped to the terminal or to `columns`; else, in a pipe, each row is one line."""
    width = max((len(name) for name, _ in rows), default=0)
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns
    room = columns - width - 2 if columns else 0
    for name, line in rows:
        first, *more = textwrap.wrap(line, room) if room > _ROOM_LEAST and line else [line]
        click.echo(f"{name:<{width}}  {first}")
        for further in more:
            click.echo(" " * (width + 2) + further)


def _tell(kind: str, name: str, *, as_json: bool) -> None:
    """Print what one system, workload or fault is, and its settings."""
    if kind not in _TOLD:
        raise UsageError(f"`quorate list {kind}` lists them all: it takes no name")
    group = _TOLD[kind]
    registry.check(group, name)
    part = _part(group, name)
    settings = part.described()
    if group == "faults":
        settings |= described(NemesisSettings)
    if as_json:
        click.echo(json.dumps(settings, indent=2))
        return
    own = vars(part).get("__doc__") if not isinstance(part, type) else None  # a workload's, from its module
    click.echo(inspect.cleandoc(own or sys.modules[part.__module__].__doc__ or _first_line(part)))
    if group == "faults":
        targets = part.targets
        words = f"Targets, as in -f {name}:{targets[min(1, len(targets) - 1)]}: {', '.join(targets)}"
        click.echo("\n" + "\n".join(textwrap.wrap(words, 80)))
    if settings:
        click.echo("\nSettings, for --set NAME=VALUE:")
        _print([(f"  {key}", text) for key, text in settings.items()], _PAGE)
