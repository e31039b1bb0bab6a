"""`quorate check`: judge a history from a file or a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec import UNSET

from quorate.harness.cli.check_files import check_file, is_foreign
from quorate.harness.cli.check_options import Checked, CheckOptions
from quorate.harness.cli.check_runs import check_run
from quorate.harness.cli.options import DurationType, SizeType
from quorate.harness.cli.places import run_folder
from quorate.harness.core.exits import OF_VERDICT, Exit
from quorate.harness.core.test import UsageError
from quorate.harness.core.verdict import Verdict

_SHOWN: Final = 5
_KEY_MAX: Final = 100


@click.command(
    "check",
    epilog="""\b
Examples:
  quorate check store/latest
  quorate check history.edn --as cas-register --engine both --json
  quorate check history.edn.gz --keys yes
  quorate check history.edn --as cas-register --initial 0
""",
)
@click.argument("source")
@click.option("--as", "model", help="Model to check against. [the recorded one, or the only one that fits]")
@click.option(
    "--expect", default=None, help="Consistency that must hold. [linearizable; strict-serializable]"
)
@click.option(
    "--initial", metavar="VALUE", help="Initial value of the object, in JSON. [none; 0 for a counter]"
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set an option of the model, e.g. negative=yes for bank.",
)
@click.option("--engine", type=click.Choice(["auto", "native", "porcupine", "both"]), default="auto")
@click.option("--check-time", type=DurationType(), default="60s", help="Time limit. [60s]")
@click.option("--check-memory", type=SizeType(), default="1GiB", help="Memory limit. [1GiB]")
@click.option(
    "--keys",
    type=click.Choice(["auto", "yes", "no"]),
    default=None,
    help="Whether values are [key value] pairs. [auto: where all operations show it]",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Replay the witness or certificate with the independent verifiers.",
)
@click.option("--format", "form", help="File format. [detected from content]")
@click.option(
    "--witness",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the linearization found to this file.",
)
@click.option(
    "--counterexample",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the minimal sub-history to this file.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write an HTML page with the verdict and its evidence.",
)
@click.option(
    "--resolve-unknown",
    is_flag=True,
    help="For a run: first settle unknown outcomes by the members' own logs (docs/why.md).",
)
@click.option(
    "--save", is_flag=True, help="For a run: update results.json and counterexample.jsonl in its folder."
)
@click.option("--json", "as_json", is_flag=True, help="Print only one JSON object.")
def command(source: str, **given: Any) -> int:
    """Judge SOURCE: a run's folder or a history in any known format (docs/checking.md).

    A run is judged by everything that its workload promises; with --as, or for a file, by one model. Reads that the
    service promises less of are held to that, with --expect linearizable to linearizability. Nothing is written but
    what is asked for.
    """
    path, options = Path(source), CheckOptions(**given)
    if options.check_time <= 0:
        raise UsageError("--check-time must be positive")
    if not path.exists() and source != "-":
        raise UsageError(f"no file or run at {source}")
    of_one_model = options.model is not None or options.engine not in {"auto", "native"} or options.verify
    if path.is_dir() and not is_foreign(path) and not of_one_model:
        return check_run(run_folder(path), options)
    if options.save:
        raise UsageError(
            "--save renews a run's results: give a run's folder, without --as, --engine and --verify"
        )
    checked = check_file(path, options)
    if options.as_json:
        from quorate.checkers.words import bounded  # noqa: PLC0415 - keeps --help quick

        click.echo(json.dumps(bounded(msgspec.to_builtins(checked))))
    else:
        _explain(checked)
    if options.verify and checked.verdict is Verdict.VALID and checked.verified is not True:
        return Exit.UNKNOWN
    return OF_VERDICT[checked.verdict]


def _key(key: Any) -> str:
    from quorate.checkers.words import say  # noqa: PLC0415 - keeps --help quick

    return key if isinstance(key, str) and len(key) <= _KEY_MAX else say(key)


def _explain(checked: Checked) -> None:
    """Print the verdict for people."""
    from quorate.checkers.words import plain  # noqa: PLC0415 - keeps --help quick

    about = f"{checked.operations} operations"
    if checked.model:
        about += f" as {checked.model}, {checked.engine}, {checked.time_s:.3g} s"
    click.echo(f"{checked.verdict.value.upper()}: {about}")
    if checked.reason:
        click.echo(plain(checked.reason))
    for anomaly in checked.anomalies[:_SHOWN]:
        click.echo(
            plain(f"- {anomaly.name}" + (f" (key {_key(anomaly.key)})" if anomaly.key is not None else ""))
        )
        click.echo(plain(f"  {anomaly.sentence}"))
    if len(checked.anomalies) > _SHOWN:
        click.echo(f"and {len(checked.anomalies) - _SHOWN} more")
    for line in checked.lanes or ():
        click.echo("  " + line)
    for note in checked.notes:
        click.echo(plain(f"note: {note}"))
    for kind, value in {
        "confirmed by": checked.confirmed_by,
        "verified": checked.verified,
        "witness": checked.witness,
        "counterexample": checked.counterexample,
        "html": checked.html,
    }.items():
        if value is not None and value is not UNSET:
            click.echo(f"{kind}: {value}")
