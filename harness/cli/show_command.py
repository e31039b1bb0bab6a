"""`quorate show`: a run's verdict in the terminal."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import click

from quorate.harness.cli import places
from quorate.harness.cli.exits import Exit
from quorate.harness.core import store


@click.command(
    "show",
    epilog="""\b
Examples:
  quorate show store/latest
  quorate show store/etcd-register-none/20261124T120000Z-7 --json
  quorate show store/campaigns/smoke/20261124T120000Z-7
""",
)
@click.argument("run", default="store/latest")
@click.option("--json", "as_json", is_flag=True, help="Print results.json and the run's folder.")
def command(run: str, as_json: bool) -> int:  # noqa: FBT001
    """Print the verdict of RUN [store/latest] and explain its anomaly; exits as the run did.

    Of a campaign's folder, print its table.
    """
    if places.is_campaign(run):
        return _campaign(Path(run), as_json=as_json)
    folder = places.run_folder(run)
    results = store.read_json(folder, store.RESULTS)
    if as_json:
        click.echo(json.dumps({**results, "run": str(folder)}))
    else:
        from quorate.reports.terminal import write  # noqa: PLC0415 - keeps --help quick

        click.echo(write(folder, colour=sys.stdout.isatty()))
    code = results.get("exit_code", Exit.BROKEN)
    return int(code)


def _campaign(folder: Path, *, as_json: bool) -> int:
    from quorate.harness.campaign.ledger import read  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.campaign.run import exit_code  # noqa: PLC0415
    from quorate.reports.campaign import text  # noqa: PLC0415

    if as_json:
        click.echo(json.dumps({**store.read_json(folder, places.CAMPAIGN), "folder": str(folder)}))
    else:
        click.echo(
            text(folder, width=shutil.get_terminal_size().columns, colour=sys.stdout.isatty()), nl=False
        )
    return exit_code(read(folder))
