"""`quorate show`: a run's verdict in the terminal."""

from __future__ import annotations

import json
import sys

import click

from harness import store
from harness.cli.exits import Exit


@click.command(
    "show",
    epilog="""\b
Examples:
  quorate show store/latest
  quorate show store/etcd-register-none/20261124T120000Z-7 --json
""",
)
@click.argument("run", default="store/latest")
@click.option("--json", "as_json", is_flag=True, help="Print results.json and the run's folder.")
def command(run: str, as_json: bool) -> int:  # noqa: FBT001
    """Print RUN's verdict and explain its anomaly; exits as the run did."""
    folder = store.resolve(run)
    results = store.read_json(folder, store.RESULTS)
    if as_json:
        click.echo(json.dumps({**results, "run": str(folder)}))
    else:
        from reports.terminal import write  # noqa: PLC0415 - keeps --help quick

        click.echo(write(folder, colour=sys.stdout.isatty()))
    code = results.get("exit_code", Exit.BROKEN)
    return int(code)
