"""`quorate check`: judge a history from a file or a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from quorate.harness.cli.evidence import (
    agreed,
    judge,
    notes,
    too_large,
    verified,
    write_counterexample,
    write_witness,
)
from quorate.harness.cli.exits import Exit
from quorate.harness.cli.options import DurationType, SizeType
from quorate.harness.cli.places import run_folder
from quorate.harness.core import store
from quorate.harness.core.test import UsageError
from quorate.harness.core.verdict import Limits, Result, Verdict

_SHOWN: Final = 5


@click.command(
    "check",
    epilog="""\b
Examples:
  quorate check store/latest
  quorate check history.edn --as cas-register --engine both --json
  zcat history.edn.gz | quorate check - --keys yes
""",
)
@click.argument("source")
@click.option("--as", "model", help="Model to judge by. [the recorded one, or the only one that fits]")
@click.option(
    "--expect", default=None, help="Consistency that must hold. [linearizable; strict-serializable]"
)
@click.option("--engine", type=click.Choice(["auto", "native", "porcupine", "both"]), default="auto")
@click.option("--check-time", type=DurationType(), default="60s", help="Limit. [60s]")
@click.option("--check-memory", type=SizeType(), default="1GiB", help="Limit. [1GiB]")
@click.option("--verify", is_flag=True, help="Replay the witness with the independent verifier.")
@click.option(
    "--keys",
    type=click.Choice(["auto", "yes", "no"]),
    default=None,
    help="Whether values are [key value]. [auto: where it is proved]",
)
@click.option("--format", "form", help="Format of the file. [recognised by content]")
@click.option(
    "--witness", type=click.Path(dir_okay=False, path_type=Path), help="Write the order found here."
)
@click.option(
    "--counterexample", type=click.Path(dir_okay=False, path_type=Path), help="Write the sub-history here."
)
@click.option("--json", "as_json", is_flag=True, help="Print one object, nothing else.")
def command(source: str, *, as_json: bool, **options: Any) -> int:
    """Judge SOURCE: a run's folder or a history in any known format (docs/checking.md).

    A run is judged by everything that its workload promises; with --as, or for a file, by one model.
    """
    path = Path(source)
    if options["check_time"] <= 0:
        raise UsageError("--check-time must be longer than nothing")
    if not path.exists() and source != "-":
        raise UsageError(f"there is no file or run at {source}")
    if (
        path.is_dir()
        and not _is_foreign(path)
        and options["model"] is None
        and options["engine"] in {"auto", "native"}
        and not options["verify"]
    ):
        _only_of_models(options)
        return _check_run(run_folder(path), as_json=as_json, options=options)
    result, row = _check_file(path, options)
    if as_json:
        click.echo(json.dumps(row))
    else:
        _explain(result, row)
    if options["verify"] and result.verdict is Verdict.VALID and not row["verified"]:
        return Exit.UNKNOWN
    return {Verdict.VALID: Exit.VALID, Verdict.INVALID: Exit.ANOMALY, Verdict.UNKNOWN: Exit.UNKNOWN}[
        result.verdict
    ]


def _is_foreign(folder: Path) -> bool:
    """Whether a folder holds a history that no run of ours wrote: a folder of Jepsen's store."""
    from quorate.harness.history.journal import FILE_NAME  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.history.source import history_in  # noqa: PLC0415

    found = history_in(folder)
    return found is not None and found.name != FILE_NAME


def _only_of_models(options: dict[str, Any]) -> None:
    """Refuse what says nothing where a run is judged by all that its workload promises."""
    for name, option in (
        ("expect", "--expect"),
        ("form", "--format"),
        ("keys", "--keys"),
        ("witness", "--witness"),
    ):
        if options[name] is not None:
            raise UsageError(
                f"{option} goes with one model, and a run is judged by all that its workload promises: add --as MODEL"
            )


def _check_run(folder: Path, *, as_json: bool, options: dict[str, Any]) -> int:
    from quorate.harness.run import judge_again  # noqa: PLC0415 - keeps --help quick
    from quorate.reports.terminal import write  # noqa: PLC0415

    results = judge_again(folder, check_time=options["check_time"], check_memory=options["check_memory"])
    click.echo(json.dumps({**results, "run": str(folder)}) if as_json else write(folder, colour=False))
    return int(results["exit_code"])


def _check_file(path: Path, options: dict[str, Any]) -> tuple[Result, dict[str, Any]]:
    from quorate.checkers import ModelError, recognise  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.history import History, HistoryError  # noqa: PLC0415

    try:
        history = History.read(
            path,
            format=options["form"],
            keys=options["keys"] or "auto",
            memory_bytes=options["check_memory"],
        )
        model = options["model"] or _recorded_model(path) or recognise(history)
    except ModelError as error:
        raise UsageError("; ".join([f"{path}: {error}", *notes(history)])) from error
    except (HistoryError, OSError) as error:
        # Unreadable input is the caller's to mend (exit 4), not a failed harness.
        raise UsageError(str(error)) from error
    limits = Limits(time_s=options["check_time"], memory_bytes=options["check_memory"])
    engines = {"both": ("native", "porcupine")}.get(options["engine"], (options["engine"],))
    found = [judge(history, model, engine, options["expect"], limits) for engine in engines]
    chosen = agreed(found)
    row = _row(chosen.result) | {"notes": notes(history)}
    if options["verify"]:
        refused = too_large(history, limits) if chosen.result.verdict is Verdict.VALID else None
        row["verified"] = refused is None and verified(history, model, chosen)
        row["notes"] += [refused] if refused else []
    if options["witness"] and chosen.result.verdict is Verdict.VALID:
        row["witness"] = str(write_witness(chosen, options["witness"]))
    if options["counterexample"] and chosen.result.anomalies:
        row["counterexample"] = str(write_counterexample(history, chosen.result, options["counterexample"]))
    return chosen.result, row


def _recorded_model(path: Path) -> str | None:
    """The model that the run's workload names, where the path is a run."""
    if not path.is_dir() or _is_foreign(path):
        return None
    from quorate.harness.run.parts import recorded_model  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.run.replaying import read_test  # noqa: PLC0415

    return recorded_model(read_test(store.resolve(path)))


def _row(result: Result) -> dict[str, Any]:
    """CONTRACT's object."""
    return {
        "verdict": result.verdict.value,
        "model": result.model,
        "engine": result.engine,
        "operations": result.operations,
        "reason": result.reason,
        "time_s": result.time_s,
        "cpu_s": result.cpu_s,
        "memory_mb": result.memory_mb,
        "witness": None,
        "counterexample": None,
        "parts": dict(result.parts),
        "anomalies": [msgspec.to_builtins(anomaly) for anomaly in result.anomalies],
    }


def _explain(result: Result, row: dict[str, Any]) -> None:
    """Print the verdict for people."""
    about = f"{result.operations} operations as {result.model}, {result.engine}, {result.time_s:.3g} s"
    click.echo(f"{result.verdict.value.upper()}: {about}")
    if result.reason:
        click.echo(result.reason)
    for anomaly in result.anomalies[:_SHOWN]:
        click.echo(f"- {anomaly.name}" + (f" (key {anomaly.key})" if anomaly.key is not None else ""))
        click.echo(f"  {anomaly.sentence}")
    if len(result.anomalies) > _SHOWN:
        click.echo(f"and {len(result.anomalies) - _SHOWN} more")
    for note in row["notes"]:
        click.echo(f"note: {note}")
    for kind in ("verified", "witness", "counterexample"):
        if row.get(kind) is not None:
            click.echo(f"{kind}: {row[kind]}")
