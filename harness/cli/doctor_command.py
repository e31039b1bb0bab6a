"""`quorate doctor`: what this machine can do, found out by trying."""

from __future__ import annotations

import json
import sys

import click

from harness.cli.exits import Exit


@click.command(
    "doctor",
    epilog="""\b
Examples:
  quorate doctor
  quorate doctor --json
""",
)
@click.option("--json", "as_json", is_flag=True, help="Print a list of findings.")
def command(as_json: bool) -> int:  # noqa: FBT001
    """Probe this machine; every "no" comes with the reason and the mend.

    Exits 0 when a real cluster can be run here in some way, else 3.
    """
    from harness.doctor import able, examine  # noqa: PLC0415 - keeps --help quick

    findings = examine()
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], indent=2))
    else:
        colour = sys.stdout.isatty()
        for finding in findings:
            mark = click.style("yes", fg="green") if finding.ok else click.style("no ", fg="yellow")
            click.echo(
                f"{mark} {finding.name}" + (f": {finding.reason}" if finding.reason else ""), color=colour
            )
            if not finding.ok and finding.mend:
                click.echo(f"      mend: {finding.mend}")
    return Exit.VALID if able(findings) else Exit.BROKEN
