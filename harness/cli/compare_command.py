"""`quorate compare`: what changed between two runs or two campaigns."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quorate.harness.cli.places import is_campaign, run_folder
from quorate.harness.core.test import UsageError


@click.command(
    "compare",
    epilog="""\b
Examples:
  quorate compare store/etcd-register-none/20261124T120000Z-7 store/latest
  quorate compare store/campaigns/nightly/A store/campaigns/nightly/B --html diff.html
""",
)
@click.argument("before", type=click.Path(exists=True, path_type=Path))
@click.argument("after", type=click.Path(exists=True, path_type=Path))
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Also write an HTML page.")
def command(before: Path, after: Path, html: Path | None) -> None:
    """Compare AFTER with BEFORE: verdicts, latency, availability, recovery."""
    from quorate.reports import compare  # noqa: PLC0415 - keeps --help quick

    campaigns = [is_campaign(before), is_campaign(after)]
    if any(campaigns) and not all(campaigns):
        raise UsageError("one of these is a campaign and the other a run: compare two of a kind")
    if not any(campaigns):
        before, after = run_folder(before), run_folder(after)
    click.echo(compare.text(before.resolve(), after.resolve(), colour=sys.stdout.isatty()))
    if html is not None:
        click.echo(compare.write(before.resolve(), after.resolve(), html))
