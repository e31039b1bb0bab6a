"""`quorate report`: the HTML of runs."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from quorate.harness.cli.places import run_folder
from quorate.harness.core.test import UsageError


@click.command(
    "report",
    epilog="""\b
Examples:
  quorate report store/latest --open
  quorate report store/etcd-register-*/* --output reports-of-today
  quorate report worker7:/srv/store/etcd/20261124T120000Z-7 --on dask://host:8786
""",
)
@click.argument("runs", nargs=-1, required=True)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@click.option(
    "--output", type=click.Path(), help="File (one run) or folder (several). [report.html of the run]"
)
@click.option(
    "--on", "where", help="dask://HOST:PORT: fetch HOST:/PATH runs from the workers they stayed on."
)
def command(runs: tuple[str, ...], show: bool, output: str | None, where: str | None) -> None:  # noqa: FBT001
    """Write the report of each RUN as one HTML file that needs no network, and print its path."""
    if where is not None:
        runs = tuple(_fetched(run, where) for run in runs)
    from quorate.reports.html import write  # noqa: PLC0415 - keeps --help quick

    folders = [run_folder(run) for run in runs]
    for folder in folders:
        target = None
        if output is not None:
            target = Path(output)
            if len(folders) > 1:
                if target.exists() and not target.is_dir():
                    raise UsageError(f"--output {output}: several reports need a folder, and this is a file")
                target.mkdir(parents=True, exist_ok=True)
                target = target / f"{folder.parent.name}-{folder.name}.html"
        written = write(folder, target)
        click.echo(written)
        if show:
            webbrowser.open(written.resolve().as_uri())


def _fetched(run: str, where: str) -> str:
    """Copy a run that stayed on a worker into ./store, where every other command finds it."""
    from quorate.harness.campaign.dask import fetch  # noqa: PLC0415 - an optional extra

    _, _, folder = run.partition(":")
    target = Path("store", *Path(folder).parts[-2:])
    return str(target if target.exists() else fetch(where, run, target))
