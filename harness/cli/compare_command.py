"""`quorate compare`: what changed between two runs or two campaigns."""

from __future__ import annotations

import sys
from pathlib import Path

import click


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
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Also write a page.")
def command(before: Path, after: Path, html: Path | None) -> None:
    """Compare AFTER with BEFORE: verdicts, latency, availability, recovery."""
    from reports import compare  # noqa: PLC0415 - keeps --help quick

    click.echo(compare.text(before.resolve(), after.resolve(), colour=sys.stdout.isatty()))
    if html is not None:
        click.echo(compare.write(before.resolve(), after.resolve(), html))
