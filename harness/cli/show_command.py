"""`quorate show`: a run's verdict in the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import click

from quorate.harness.cli import places, screen
from quorate.harness.core import store
from quorate.harness.core.exits import Exit
from quorate.harness.core.test import UsageError


@click.command(
    "show",
    epilog="""\b
Examples:
  quorate show store/latest
  quorate show store/etcd-register-none/20261124T120000Z-7 --json
  quorate show store/latest --markdown | gh issue create --title anomaly --body-file -
  quorate show store/campaigns/smoke/20261124T120000Z-7
""",
)
@click.argument("run", default="store/latest")
@click.option("--json", "as_json", is_flag=True, help="Print results.json and the run's folder.")
@click.option("--markdown", is_flag=True, help="Print it as Markdown, for an issue or a pull request.")
def command(run: str, as_json: bool, markdown: bool) -> int:  # noqa: FBT001
    """Print the verdict of RUN [store/latest] and explain its anomaly; exits as the run did.

    Of a campaign's folder, print its table.
    """
    if as_json and markdown:
        raise UsageError("give either --json or --markdown")
    if places.is_campaign(run):
        return _campaign(Path(run), as_json=as_json, markdown=markdown)
    folder = places.run_folder(run)
    results = store.read_json(folder, store.RESULTS)
    if as_json:
        click.echo(json.dumps({**results, "run": str(folder)}))
    elif markdown:
        _markdown(folder)
    else:
        from quorate.reports.terminal import write  # noqa: PLC0415 - keeps --help quick

        colour = screen.colour()
        click.echo(write(folder, width=screen.width(), colour=colour), color=colour, nl=False)
        page = folder / store.REPORT
        if page.is_file():
            click.echo(f"report: {screen.linked(page)}", color=colour)
    code = results.get("exit_code", Exit.BROKEN)
    return int(code)


def _markdown(folder: Path) -> None:
    from quorate.reports.markdown import text  # noqa: PLC0415 - keeps --help quick

    click.echo(text(folder), nl=False)


def _campaign(folder: Path, *, as_json: bool, markdown: bool) -> int:
    from quorate.harness.campaign.ledger import read  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.campaign.run import exit_code  # noqa: PLC0415
    from quorate.reports.campaign import text  # noqa: PLC0415

    if as_json:
        click.echo(json.dumps({**store.read_json(folder, places.CAMPAIGN), "folder": str(folder)}))
    elif markdown:
        _markdown(folder)
    else:
        colour = screen.colour()
        click.echo(text(folder, width=screen.width(), colour=colour), nl=False, color=colour)
    return exit_code(read(folder))
