"""Judging a run's folder again, by everything that its workload promises."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from quorate.harness.cli import screen
from quorate.harness.cli.check_options import CheckOptions
from quorate.harness.core import record, store, story
from quorate.harness.core.exits import Exit
from quorate.harness.core.results import Printed
from quorate.harness.core.test import UsageError

if TYPE_CHECKING:
    from quorate.harness.memberlogs.settling import Settled


def check_run(folder: Path, options: CheckOptions) -> int:
    """Judge the run, print the answer, and return the exit code."""
    _only_of_models(options)
    if options.save and options.resolve_unknown:
        raise UsageError("--save keeps results of the history as it was recorded: omit --resolve-unknown")
    from quorate.harness.run import judge_again  # noqa: PLC0415 - keeps --help quick
    from quorate.reports.stored import read  # noqa: PLC0415
    from quorate.reports.terminal import render  # noqa: PLC0415

    with contextlib.nullcontext(folder) if options.save else _beside(folder) as judged:
        settled = _settle_beside(folder, judged) if options.resolve_unknown else None
        results = judge_again(
            judged,
            check_time=options.check_time,
            check_memory=options.check_memory,
            strict=options.expect == "linearizable",
        )
        written = _copies(judged, options)
        if options.as_json:
            more = {} if settled is None else {"settled": msgspec.to_builtins(settled)}
            text = json.dumps(Printed.of(results, str(folder), **written).encoded() | more)
        else:
            text = render(msgspec.structs.replace(read(judged), folder=folder), width=screen.width())
    click.echo(text)
    if settled is not None and not options.as_json:
        click.echo(f"note: {settled}")
    if not options.as_json and not record.read(folder).conducted:
        count = results.statistics.operations
        click.echo(
            f"note: the run was ended before it was over: judged are the {count:,} operations it had recorded"
        )
    return Exit.BROKEN if results.exit_code is None else results.exit_code


def _only_of_models(options: CheckOptions) -> None:
    """Refuse what says nothing where a run is judged by all that its workload promises."""
    expect = options.expect
    for option, value in {
        "--expect": None if expect == "linearizable" else expect,
        "--initial": options.initial,
        "--format": options.form,
        "--keys": options.keys,
        "--witness": options.witness,
    }.items():
        if value is not None:
            raise UsageError(
                f"{option} applies to one model, and a run is checked against everything its workload promises: "
                "add --as MODEL"
            )


def _settle_beside(folder: Path, shadow: Path) -> Settled:
    """Put the settled history in the place of the recorded one, in the folder that is judged."""
    from quorate.harness.history import History, HistoryError  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.run.resolving import resolve  # noqa: PLC0415

    try:
        history, settled = resolve(folder, History.read(folder))
    except HistoryError as error:
        raise UsageError(str(error)) from error
    (shadow / store.HISTORY).unlink(missing_ok=True)
    history.write(shadow / store.HISTORY)
    return settled


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """Give a folder that shows the run's files and takes what is written: the run itself may be read-only."""
    with tempfile.TemporaryDirectory(prefix="quorate-check-") as made:
        shadow = Path(made) / folder.parent.name / folder.name
        shadow.mkdir(parents=True)
        for entry in folder.iterdir():
            if entry.name not in {store.RESULTS, store.COUNTEREXAMPLE, store.REPORT, story.FILE}:
                (shadow / entry.name).symlink_to(entry.absolute())
        yield shadow


def _copies(judged: Path, options: CheckOptions) -> dict[str, str]:
    """Write the counterexample and the page of a run where they were asked for; return where they are."""
    written = {}
    if options.html:
        from quorate.reports.html import write  # noqa: PLC0415 - keeps --help quick

        written["html"] = str(write(judged, options.html))
    made = judged / store.COUNTEREXAMPLE
    if options.counterexample and made.exists():
        options.counterexample.write_bytes(made.read_bytes())
        written["counterexample"] = str(options.counterexample)
    return written
