"""`quorate doctor`: what this machine can do, found out by trying."""

from __future__ import annotations

import json
from pathlib import Path

import click

from quorate.harness.cli import screen
from quorate.harness.core.exits import Exit


@click.command(
    "doctor",
    epilog="""\b
Examples:
  quorate doctor
  quorate doctor --inventory hosts.toml
""",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of findings.")
@click.option(
    "--inventory", type=click.Path(dir_okay=False), help="Probe the hosts of this inventory (TOML) instead."
)
def command(as_json: bool, inventory: str | None) -> int:  # noqa: FBT001
    """Probe this machine, or the hosts of an inventory; every "no" comes with its reason and the fix.

    Exits 0 when a real cluster can be run here in some way, or on all of these hosts, else 3.
    """
    from quorate.harness import doctor  # noqa: PLC0415 - keeps --help quick

    if inventory is None:
        findings = doctor.examine()
        fit = doctor.able(findings)
    else:
        findings, fit = doctor.examine_inventory(Path(inventory))
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        colour = screen.colour()
        for finding in findings:
            mark = click.style("yes", fg="green") if finding.ok else click.style("no ", fg="yellow")
            click.echo(
                f"{mark} {finding.name}" + (f": {finding.reason}" if finding.reason else ""), color=colour
            )
            if not finding.ok and finding.mend:
                click.echo(f"      fix: {finding.mend}")
    return Exit.VALID if fit else Exit.BROKEN
