"""`quorate list`: what there is, one line each."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from typing import Any, Final

import click

from harness import registry

Row = tuple[str, str]


def _first_line(part: Any) -> str:
    text = inspect.getdoc(part) or inspect.getdoc(sys.modules[part.__module__]) or ""
    return text.strip().split("\n")[0]


def _parts(group: registry.Group) -> list[Row]:
    rows = []
    for name in registry.names(group):
        try:
            part = registry.find(group, name)
        except ImportError as error:
            rows.append((name, f"cannot be loaded: {error}"))
            continue
        targets = getattr(part, "targets", ())
        rows.append((name, _first_line(part) + (f" [targets: {', '.join(targets)}]" if targets else "")))
    return rows


def _models() -> list[Row]:
    from checkers import MODELS  # noqa: PLC0415 - keeps --help quick

    return sorted(MODELS.items())


def _releases(system: str | None) -> list[Row]:
    from harness.systems.releases import list_releases  # noqa: PLC0415 - keeps --help quick

    if system is not None:
        registry.check("systems", system)
    systems = [system] if system else ["etcd", "consul", "zookeeper"]
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
}


@click.command(
    "list",
    epilog="""\b
Examples:
  quorate list faults
  quorate list releases etcd
""",
)
@click.argument("kind", type=click.Choice([*KINDS, "releases"]))
@click.argument("system", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print an object of name and line.")
def command(kind: str, system: str | None, as_json: bool) -> None:  # noqa: FBT001
    """List what quorate knows of KIND, with what this machine can run."""
    rows = _releases(system) if kind == "releases" else KINDS[kind]()
    if as_json:
        click.echo(json.dumps(dict(rows), indent=2))
        return
    width = max((len(name) for name, _ in rows), default=0)
    for name, line in rows:
        click.echo(f"{name:<{width}}  {line}")
