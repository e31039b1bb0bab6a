"""`quorate check`: judge a history from a file or a run."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from quorate.harness.cli import screen
from quorate.harness.cli.evidence import (
    Judged,
    Question,
    judge,
    judge_by_both,
    notes,
    too_large,
    verified,
    with_orders,
    write_counterexample,
    write_witness,
)
from quorate.harness.cli.options import DurationType, SizeType
from quorate.harness.cli.places import run_folder
from quorate.harness.core import record, store, story
from quorate.harness.core.exits import OF_VERDICT, Exit
from quorate.harness.core.results import Printed
from quorate.harness.core.test import UsageError
from quorate.harness.core.verdict import Limits, Result, Verdict

if TYPE_CHECKING:
    from quorate.checkers import ModelError
    from quorate.harness.history import History
    from quorate.harness.memberlogs.settling import Settled

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
def command(source: str, *, as_json: bool, **options: Any) -> int:
    """Judge SOURCE: a run's folder or a history in any known format (docs/checking.md).

    A run is judged by everything that its workload promises; with --as, or for a file, by one model. Reads that the
    service promises less of are held to that, with --expect linearizable to linearizability. Nothing is written but
    what is asked for.
    """
    path = Path(source)
    if options["check_time"] <= 0:
        raise UsageError("--check-time must be positive")
    if not path.exists() and source != "-":
        raise UsageError(f"no file or run at {source}")
    if (
        path.is_dir()
        and not _is_foreign(path)
        and options["model"] is None
        and options["engine"] in {"auto", "native"}
        and not options["verify"]
    ):
        _only_of_models(options)
        if options["save"] and options["resolve_unknown"]:
            raise UsageError("--save keeps results of the history as it was recorded: omit --resolve-unknown")
        return _check_run(run_folder(path), as_json=as_json, options=options)
    if options["save"]:
        raise UsageError(
            "--save renews a run's results: give a run's folder, without --as, --engine and --verify"
        )
    result, row = _check_file(path, {**options, "as_json": as_json})
    if as_json:
        from quorate.checkers.words import bounded  # noqa: PLC0415 - keeps --help quick

        click.echo(json.dumps(bounded(row)))
    else:
        _explain(result, row)
    if options["verify"] and result.verdict is Verdict.VALID and not row["verified"]:
        return Exit.UNKNOWN
    return OF_VERDICT[result.verdict]


def _is_foreign(folder: Path) -> bool:
    """Whether a folder holds a history that no run of ours wrote: of Jepsen's store, or etcd's robustness tests."""
    from quorate.harness.history import robustness  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.history.journal import FILE_NAME  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.history.source import history_in  # noqa: PLC0415

    found = history_in(folder)
    if found is None:
        return bool(robustness.files_of(folder))
    return found.name != FILE_NAME


def _only_of_models(options: dict[str, Any]) -> None:
    """Refuse what says nothing where a run is judged by all that its workload promises."""
    expect = options["expect"]
    for name, option in (
        *([] if expect == "linearizable" else [("expect", "--expect")]),
        ("initial", "--initial"),
        ("form", "--format"),
        ("keys", "--keys"),
        ("witness", "--witness"),
    ):
        if options[name] is not None:
            raise UsageError(
                f"{option} applies to one model, and a run is checked against everything its workload promises: "
                "add --as MODEL"
            )


def _check_run(folder: Path, *, as_json: bool, options: dict[str, Any]) -> int:
    from quorate.harness.run import judge_again  # noqa: PLC0415 - keeps --help quick
    from quorate.reports.stored import read  # noqa: PLC0415
    from quorate.reports.terminal import render  # noqa: PLC0415

    with contextlib.nullcontext(folder) if options["save"] else _beside(folder) as judged:
        settled = _settle_beside(folder, judged) if options["resolve_unknown"] else None
        results = judge_again(
            judged,
            check_time=options["check_time"],
            check_memory=options["check_memory"],
            strict=options["expect"] == "linearizable",
        )
        written = _copies(judged, options)
        if as_json:
            more = {} if settled is None else {"settled": msgspec.to_builtins(settled)}
            text = json.dumps(Printed.of(results, str(folder), **written).encoded() | more)
        else:
            text = render(msgspec.structs.replace(read(judged), folder=folder), width=screen.width())
    click.echo(text)
    if settled is not None and not as_json:
        click.echo(f"note: {settled}")
    if not as_json and not record.read(folder).conducted:
        count = results.statistics.operations
        click.echo(
            f"note: the run was ended before it was over: judged are the {count:,} operations it had recorded"
        )
    return Exit.BROKEN if results.exit_code is None else results.exit_code


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


def _copies(judged: Path, options: dict[str, Any]) -> dict[str, str]:
    """Write the counterexample and the page of a run where they were asked for; return where they are."""
    written = {}
    if options["html"]:
        from quorate.reports.html import write  # noqa: PLC0415 - keeps --help quick

        written["html"] = str(write(judged, options["html"]))
    made = judged / store.COUNTEREXAMPLE
    if options["counterexample"] and made.exists():
        options["counterexample"].write_bytes(made.read_bytes())
        written["counterexample"] = str(options["counterexample"])
    return written


def _check_file(path: Path, options: dict[str, Any]) -> tuple[Result, dict[str, Any]]:
    from quorate.checkers import ModelError  # noqa: PLC0415 - keeps --help quick
    from quorate.checkers.normal import normal  # noqa: PLC0415
    from quorate.harness.history import History, HistoryError  # noqa: PLC0415

    try:
        original = History.read(
            path,
            format=options["form"],
            keys=options["keys"] or "auto",
            memory_bytes=options["check_memory"],
        )
        settled = None
        if options["resolve_unknown"]:
            from quorate.harness.run.resolving import resolve  # noqa: PLC0415

            if not path.is_dir():
                raise UsageError("--resolve-unknown reads the logs of a run: give a run's folder")
            original, settled = resolve(run_folder(path), original)
        question = _question(path, original, options)
        plain = normal(original, question.model)
        original.notes = (*original.notes, *plain.notes)
    except ModelError as error:
        if error.doubtful:
            return _doubted(original, error)
        raise UsageError("; ".join([f"{path}: {error}", *notes(original)])) from error
    except (HistoryError, OSError) as error:
        # Unreadable input is the caller's to mend (exit 4), not a failed harness.
        raise UsageError(str(error)) from error
    if options["engine"] == "both":
        chosen = judge_by_both(plain.history, question)
    else:
        chosen = judge(plain.history, options["engine"], question)
    if options["verify"] or options["witness"]:
        chosen = with_orders(plain.history, question.model, chosen, question.limits)
    result = plain.restored(chosen.result)
    row = _row(result) | {"notes": notes(original)}
    if settled is not None:
        row |= {"settled": msgspec.to_builtins(settled), "notes": [*row["notes"], str(settled)]}
    return result, row | _asked_for(original, plain.history, chosen, result, options)


def _asked_for(
    original: History, history: History, chosen: Judged, result: Result, options: dict[str, Any]
) -> dict[str, Any]:
    """What --verify, --witness and --counterexample ask for besides the verdict."""
    row: dict[str, Any] = {}
    limits = Limits(time_s=options["check_time"], memory_bytes=options["check_memory"])
    if options["verify"]:
        refused = too_large(history, limits)
        row["verified"] = refused is None and verified(history, result.model or "", chosen)
        row["notes"] = notes(original) + ([refused] if refused else [])
        if row["verified"] and result.verdict is Verdict.VALID:
            row["confirmed_by"] = ", ".join(filter(None, (result.confirmed_by, "witness replayed")))
    if options["witness"] and result.verdict is Verdict.VALID:
        if chosen.orders:
            row["witness"] = str(write_witness(chosen, options["witness"]))
        else:
            why = "no witness was written: no engine kept an order within the limits"
            row["notes"] = [*row.get("notes", notes(original)), why]
    if options["counterexample"] and result.anomalies:
        row["counterexample"] = str(write_counterexample(original, result, options["counterexample"]))
    if options["html"]:
        from quorate.reports.recorded import page  # noqa: PLC0415 - keeps --help quick

        row["html"] = str(page(original, result, options["html"], Path(original.source).name))
    if result.anomalies and not options["as_json"]:
        from quorate.reports.recorded import lanes  # noqa: PLC0415 - keeps --help quick

        row["lanes"] = list(lanes(original, result, shutil.get_terminal_size().columns - 2))
    return row


def _question(path: Path, history: History, options: dict[str, Any]) -> Question:
    from quorate.checkers import MODELS, recognise  # noqa: PLC0415 - keeps --help quick
    from quorate.checkers.expected import guarantee  # noqa: PLC0415
    from quorate.checkers.initial import UNSTATED, read_initial  # noqa: PLC0415
    from quorate.checkers.names import UnknownNameError, model_named  # noqa: PLC0415
    from quorate.checkers.normal import functions_of  # noqa: PLC0415
    from quorate.checkers.watches import WatchesAreReliable  # noqa: PLC0415

    try:
        model = model_named(options["model"], MODELS) if options["model"] else _recorded_model(path)
    except UnknownNameError as error:
        raise UsageError(str(error)) from error
    settings = [setting.partition("=") for setting in options["settings"]]
    for name, equals, _ in settings:
        if not equals:
            raise UsageError(f"--set {name}: write NAME=VALUE")
    expect = options["expect"]
    if model is None and expect is None and functions_of(history) == {"watch"}:
        # Watches are of no model: they are held to their promises.
        expect = WatchesAreReliable.name
    return Question(
        model=model or ("" if guarantee(expect) else recognise(history)),
        expect=expect,
        limits=Limits(time_s=options["check_time"], memory_bytes=options["check_memory"]),
        initial=UNSTATED if options["initial"] is None else read_initial(options["initial"]),
        settings={name: value for name, _, value in settings},
    )


def _doubted(history: History, doubt: ModelError) -> tuple[Result, dict[str, Any]]:
    """The answer where the operations could be of several models and prove none."""
    result = Result("", Verdict.UNKNOWN, reason=str(doubt), operations=len(history.operations()))
    return result, _row(result) | {"candidates": list(doubt.candidates), "notes": notes(history)}


def _recorded_model(path: Path) -> str | None:
    """The model that the run's workload names, where the path is a run."""
    if not path.is_dir() or _is_foreign(path):
        return None
    from quorate.harness.run.parts import recorded_model  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.run.replaying import read_test  # noqa: PLC0415

    return recorded_model(read_test(store.resolve(path)))


def _row(result: Result) -> dict[str, Any]:
    """What `check --json` prints (docs/reference/formats.md)."""
    return {
        "verdict": result.verdict.value,
        "model": result.model,
        "engine": result.engine,
        "operations": result.operations,
        "reason": result.reason,
        "confirmed_by": result.confirmed_by,
        "time_s": result.time_s,
        "cpu_s": result.cpu_s,
        "memory_mb": result.memory_mb,
        "witness": None,
        "counterexample": None,
        "parts": dict(result.parts),
        "anomalies": [msgspec.to_builtins(anomaly) for anomaly in result.anomalies],
    }


def _key(key: Any) -> str:
    from quorate.checkers.words import say  # noqa: PLC0415 - keeps --help quick

    return key if isinstance(key, str) and len(key) <= _KEY_MAX else say(key)


def _explain(result: Result, row: dict[str, Any]) -> None:
    """Print the verdict for people."""
    from quorate.checkers.words import plain  # noqa: PLC0415 - keeps --help quick

    about = f"{result.operations} operations"
    if result.model:
        about += f" as {result.model}, {result.engine}, {result.time_s:.3g} s"
    click.echo(f"{result.verdict.value.upper()}: {about}")
    if result.reason:
        click.echo(plain(result.reason))
    for anomaly in result.anomalies[:_SHOWN]:
        click.echo(
            plain(f"- {anomaly.name}" + (f" (key {_key(anomaly.key)})" if anomaly.key is not None else ""))
        )
        click.echo(plain(f"  {anomaly.sentence}"))
    if len(result.anomalies) > _SHOWN:
        click.echo(f"and {len(result.anomalies) - _SHOWN} more")
    for line in row.get("lanes", ()):
        click.echo("  " + line)
    for note in row["notes"]:
        click.echo(plain(f"note: {note}"))
    for kind in ("confirmed_by", "verified", "witness", "counterexample", "html"):
        if row.get(kind) is not None:
            click.echo(f"{kind.replace('_', ' ')}: {row[kind]}")
