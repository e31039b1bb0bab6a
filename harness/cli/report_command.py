"""`quorate report`: the HTML of runs."""

from __future__ import annotations

import webbrowser
from pathlib import Path

import click

from quorate.harness.cli.places import run_folder
from quorate.harness.core import store
from quorate.harness.core.test import UsageError


@click.command(
    "report",
    epilog="""\b
Examples:
  quorate report store/latest --open
  quorate report history.jsonl --as register --output out.html
  quorate report store/etcd-register-*/* --output reports-of-today
  quorate report worker7:/srv/store/etcd/20261124T120000Z-7 --on dask://host:8786
""",
)
@click.argument("runs", nargs=-1, required=True)
@click.option("--as", "model", help="Model to check a history file against. [the only one that fits]")
@click.option("--open", "show", is_flag=True, help="Open the report in a browser.")
@click.option(
    "--output", type=click.Path(), help="Output file (one run) or folder (several). [report.html of the run]"
)
@click.option(
    "--on", "where", help="Fetch HOST:/PATH runs from the workers of the Dask cluster at dask://HOST:PORT."
)
def command(
    runs: tuple[str, ...], *, show: bool, output: str | None, where: str | None, model: str | None
) -> None:
    """Write the report of each RUN as one HTML file that needs no network, and print its path.

    A RUN may be the file of a history in any known format: it is judged first, as by `quorate check`.
    """
    if where is not None:
        runs = tuple(_fetched(run, where) for run in runs)
    from quorate.reports.html import write  # noqa: PLC0415 - keeps --help quick

    if len(runs) == 1 and _is_history(Path(runs[0])):
        _told(_of_history(Path(runs[0]), model, output), show=show)
        return
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
        _told(write(folder, target), show=show)


def _told(written: Path, *, show: bool) -> None:
    click.echo(written)
    if show:
        webbrowser.open(written.resolve().as_uri())


def _is_history(path: Path) -> bool:
    """Whether this is a file by itself, not one in a run's folder."""
    return path.is_file() and not any((path.parent / name).exists() for name in (store.TEST, store.HISTORY))


def _of_history(path: Path, model: str | None, output: str | None) -> Path:
    from quorate.checkers import check, history_of  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.history import HistoryError  # noqa: PLC0415
    from quorate.reports.recorded import page  # noqa: PLC0415

    try:
        history = history_of(path)
        result = check(history, model)
    except (HistoryError, ValueError) as error:
        raise UsageError(str(error)) from error
    return page(history, result, Path(output or f"{path.name}.html"), path.name)


def _fetched(run: str, where: str) -> str:
    """Copy a run that stayed on a worker into ./store, where every other command finds it."""
    from quorate.harness.campaign.dask import fetch  # noqa: PLC0415 - an optional extra

    _, _, folder = run.partition(":")
    target = Path("store", *Path(folder).parts[-2:])
    return str(target if target.exists() else fetch(where, run, target))
