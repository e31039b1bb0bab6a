"""`quorate campaign`: a matrix of runs from a file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from quorate.harness.cli import screen
from quorate.harness.cli.options import DurationType, given, jobs_option, test_options
from quorate.harness.core.exits import Exit, worst


@click.command(
    "campaign",
    epilog="""\b
Examples:
  quorate campaign consistency.toml --jobs 2 --junit out.xml
  quorate campaign smoke
  quorate campaign nightly --budget 2h --resume
""",
)
@click.argument("matrix", metavar="FILE")
@test_options
@jobs_option
@click.option("--resume", is_flag=True, help="Continue the newest campaign of these cells in --store.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first unexpected verdict.")
@click.option("--until-failure", is_flag=True, help="Repeat with new seeds until a verdict is unexpected.")
@click.option("--budget", type=DurationType(), help="Start no new run after this time.")
@click.option(
    "--retries",
    type=click.IntRange(0, 10),
    default=2,
    help="Retries of runs whose infrastructure failed (never of anomalies).",
)
@click.option(
    "--on", "where", metavar="ADDRESS", help="Run the cells on the Dask cluster at dask://HOST:PORT."
)
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Also write JUnit XML.")
@click.option(
    "--sarif", type=click.Path(dir_okay=False, path_type=Path), help="Also write SARIF, for code scanning."
)
@click.option(
    "--track-record",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write the known bugs that were found again, by release, with rates (Markdown).",
)
@click.option(
    "--baseline",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Fail only on verdicts that differ from this earlier campaign.",
)
@click.option("--json", "as_json", is_flag=True, help="Print only campaign.json and the folder.")
@click.option("--quiet", is_flag=True, help="Print only the summary.")
def command(matrix: str, **options: Any) -> int:
    """Run every cell of FILE and say which kept their promises.

    FILE is a path, or the name of one that comes with quorate (`quorate list campaigns`). Options of `test` override
    the file. The exit code is the worst of the unexpected verdicts.
    """
    from quorate.harness.campaign.execute import Options  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.campaign.file import load  # noqa: PLC0415
    from quorate.harness.campaign.ledger import read  # noqa: PLC0415
    from quorate.harness.campaign.run import baseline, exit_code, open_folder, run_campaign  # noqa: PLC0415
    from quorate.harness.campaign.shipped import located  # noqa: PLC0415
    from quorate.harness.cli.table import Table  # noqa: PLC0415

    own = {key: options.pop(key) for key in _OWN}
    overrides = given(options)
    root = Path(overrides.pop("store", "store"))
    path = located(matrix)
    campaign = load(path, overrides)
    if own["where"]:
        from quorate.harness.campaign.dask import check_address  # noqa: PLC0415 - an optional extra

        check_address(own["where"])
    known = baseline(own["baseline"]) if own["baseline"] else None
    folder = open_folder(campaign, root, resume=own["resume"])
    run_options = Options(
        jobs=own["jobs"],
        retries=own["retries"],
        fail_fast=own["fail_fast"],
        until_failure=own["until_failure"],
        budget_s=own["budget"],
    )
    executor = None
    if own["where"]:
        from quorate.harness.campaign.dask import DaskExecutor  # noqa: PLC0415 - an optional extra

        executor = DaskExecutor.connect(own["where"], store=str(folder / "runs"))
    table = Table(campaign, silent=own["as_json"] or own["quiet"])
    table.known(read(folder))
    try:
        ended = run_campaign(campaign, folder, run_options, table, executor)
    finally:
        table.close()
    _write(folder, path, own, ended.records)
    code = exit_code(ended.records, known)
    return worst([code, Exit.INTERRUPTED]) if ended.interrupted and code != Exit.ANOMALY else code


_OWN = (
    "jobs",
    "resume",
    "fail_fast",
    "until_failure",
    "budget",
    "retries",
    "where",
    "junit",
    "sarif",
    "track_record",
    "baseline",
    "as_json",
    "quiet",
)


def _write(folder: Path, file: Path, own: dict[str, Any], records: Sequence[Any]) -> None:
    """Write the reports that were asked for and print the summary."""
    from quorate.reports import campaign as campaign_report  # noqa: PLC0415
    from quorate.reports import github, junit, sarif, track_record  # noqa: PLC0415

    html = campaign_report.write(folder)
    if own["junit"]:
        junit.write(folder, own["junit"])
    if own["sarif"]:
        sarif.write(folder, own["sarif"], None if file.is_absolute() else file.as_posix())
    if own["track_record"]:
        track_record.write(folder, own["track_record"])
    # GitHub reads annotations on either stream; what --json prints must stay JSON.
    github.write(folder, out=sys.stderr if own["as_json"] else sys.stdout)
    if own["as_json"]:
        click.echo((folder / "campaign.json").read_text())
        return
    colour = screen.colour()
    click.echo(campaign_report.text(folder, width=screen.width(), colour=colour), color=colour)
    skipped = sum(record.status == "skipped" for record in records)
    never = f", {skipped} cells never ran" if skipped else ""
    click.echo(f"{len(records) - skipped} runs{never}; report: {screen.linked(html)}", color=colour)
