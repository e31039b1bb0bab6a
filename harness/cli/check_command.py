"""`quorate check`: judge a history from a file or a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from harness import store
from harness.cli.exits import Exit, worst
from harness.cli.options import DurationType, SizeType
from harness.outcome import Broken
from harness.test import UsageError
from harness.verdict import Limits, Result, Verdict

_TRANSACTIONS: Final = ("append", "rw")


@click.command(
    "check",
    epilog="""\b
Examples:
  quorate check store/latest
  quorate check history.edn --as cas-register --engine both --json
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
@click.option("--format", "form", help="Format of the file. [recognised by content]")
@click.option(
    "--witness", type=click.Path(dir_okay=False, path_type=Path), help="Write the order found here."
)
@click.option(
    "--counterexample", type=click.Path(dir_okay=False, path_type=Path), help="Write the sub-history here."
)
@click.option("--json", "as_json", is_flag=True, help="Print one object, nothing else.")
def command(source: str, *, as_json: bool, **options: Any) -> int:
    """Judge SOURCE: a run's folder or a history in any known format (see CONTRACT in the docs).

    A run is judged by everything that its workload promises; with --as, or for a file, by one model.
    """
    path = Path(source)
    if not path.exists():
        raise UsageError(f"there is no file or run at {source}")
    if (
        path.is_dir()
        and options["model"] is None
        and options["engine"] in {"auto", "native"}
        and not options["verify"]
    ):
        return _check_run(store.resolve(path), as_json=as_json, options=options)
    result, row = _check_file(path, options)
    if as_json:
        click.echo(json.dumps(row))
    else:
        _explain(result, row)
    return {Verdict.VALID: Exit.VALID, Verdict.INVALID: Exit.ANOMALY, Verdict.UNKNOWN: Exit.UNKNOWN}[
        result.verdict
    ]


def _check_run(folder: Path, *, as_json: bool, options: dict[str, Any]) -> int:
    from harness.lifecycle import judge_again  # noqa: PLC0415 - keeps --help quick
    from reports.terminal import write  # noqa: PLC0415

    results = judge_again(folder, check_time=options["check_time"], check_memory=options["check_memory"])
    click.echo(json.dumps({**results, "run": str(folder)}) if as_json else write(folder, colour=False))
    return int(results["exit_code"])


def _check_file(path: Path, options: dict[str, Any]) -> tuple[Result, dict[str, Any]]:
    from harness.history import History, HistoryError  # noqa: PLC0415 - keeps --help quick

    limits = Limits(time_s=options["check_time"], memory_bytes=options["check_memory"])
    try:
        history = History.read(path, format=options["form"])
    except (HistoryError, OSError) as error:
        # Unreadable input is the caller's to mend (exit 4), not a failed harness.
        raise UsageError(str(error)) from error
    model = options["model"] or _recorded_model(path)
    engines = {"both": ("native", "porcupine")}.get(options["engine"], (options["engine"],))
    results = [_judge(history, model, engine, options["expect"], limits) for engine in engines]
    result = _agreed(results)
    row = _row(result)
    if options["verify"]:
        row["verified"] = _verify(history, result)
    _write_evidence(history, result, row, options)
    return result, row


def _recorded_model(path: Path) -> str | None:
    """The model that the run's workload names, where the path is a run."""
    if not path.is_dir():
        return None
    from harness.lifecycle.parts import recorded_model  # noqa: PLC0415 - keeps --help quick
    from harness.lifecycle.replaying import read_test  # noqa: PLC0415

    return recorded_model(read_test(store.resolve(path)))


def _judge(history: Any, model: str | None, engine: str, expect: str | None, limits: Limits) -> Result:
    from checkers import check  # noqa: PLC0415 - keeps --help quick

    return check(history, model=model, engine=engine, expect=expect, limits=limits)


def _agreed(results: list[Result]) -> Result:
    """One result for all engines; a disagreement of two sound engines is a bug in one of them, told loudly."""
    decided = {result.verdict for result in results} - {Verdict.UNKNOWN}
    if len(decided) > 1:
        said = ", ".join(f"{result.engine} says {result.verdict}" for result in results)
        raise Broken("disagreement", f"the engines disagree: {said}; please report this history")
    return next((result for result in results if result.verdict is not Verdict.UNKNOWN), results[0])


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
