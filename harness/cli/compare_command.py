"""`quorate compare`: what changed between two runs or two campaigns."""

from __future__ import annotations

import json
from pathlib import Path

import click

from quorate.harness.cli import screen
from quorate.harness.cli.places import is_campaign, run_folder
from quorate.harness.core.exits import Exit
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
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
@click.option(
    "--exit-code",
    is_flag=True,
    help="Exit with 1 if AFTER has an anomaly and BEFORE has none, 2 if it is less sure.",
)
def command(before: Path, after: Path, html: Path | None, as_json: bool, exit_code: bool) -> int:  # noqa: FBT001
    """Compare AFTER with BEFORE: verdicts, latency, availability, recovery."""
    from quorate.reports import compare  # noqa: PLC0415 - keeps --help quick

    campaigns = [is_campaign(before), is_campaign(after)]
    if any(campaigns) and not all(campaigns):
        raise UsageError("one of these is a campaign and the other a run: compare two of a kind")
    if not any(campaigns):
        before, after = run_folder(before), run_folder(after)
    found = compare.compare(before.resolve(), after.resolve())
    page = None if html is None else compare.write(before.resolve(), after.resolve(), html)
    if as_json:
        click.echo(json.dumps({**compare.plain(found), "html": None if page is None else str(page)}))
    else:
        colour = screen.colour()
        click.echo(compare.told(found, width=screen.width(), colour=colour), color=colour)
        if page is not None:
            click.echo(page)
    return (
        {"invalid": Exit.ANOMALY, "unknown": Exit.UNKNOWN}.get(found.newly, Exit.VALID)
        if exit_code
        else Exit.VALID
    )
