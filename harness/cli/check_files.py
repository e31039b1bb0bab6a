"""Judging a history from a file, or a run by one model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from quorate.harness.cli.check_options import Checked, CheckOptions
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
from quorate.harness.cli.places import run_folder
from quorate.harness.core import store
from quorate.harness.core.test import UsageError
from quorate.harness.core.verdict import Result, Verdict

if TYPE_CHECKING:
    from quorate.checkers import ModelError
    from quorate.harness.history import History


def check_file(path: Path, options: CheckOptions) -> Checked:
    """Judge the file by one model; raise `UsageError` for unreadable input."""
    from quorate.checkers import ModelError  # noqa: PLC0415 - keeps --help quick
    from quorate.checkers.normal import normal  # noqa: PLC0415
    from quorate.harness.history import History, HistoryError  # noqa: PLC0415

    try:
        original = History.read(
            path,
            format=options.form,
            keys=options.keys or "auto",
            memory_bytes=options.check_memory,
        )
        settled = None
        if options.resolve_unknown:
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
        # Unreadable input is the caller's to fix (exit 4), not a failed harness.
        raise UsageError(str(error)) from error
    if options.engine == "both":
        chosen = judge_by_both(plain.history, question)
    else:
        chosen = judge(plain.history, options.engine, question)
    if options.verify or options.witness:
        chosen = with_orders(plain.history, question.model, chosen, question.limits)
    result = plain.restored(chosen.result)
    checked = Checked.of(result, notes(original))
    if settled is not None:
        checked = replace(checked, settled=msgspec.to_builtins(settled), notes=[*checked.notes, str(settled)])
    checked = _proved(checked, plain.history, chosen, options)
    return _drawn(checked, original, result, options)


def _proved(checked: Checked, history: History, chosen: Judged, options: CheckOptions) -> Checked:
    """Add what --verify and --witness ask for."""
    if options.verify:
        refused = too_large(history, options.limits)
        sure = refused is None and verified(history, checked.model or "", chosen)
        checked = replace(checked, verified=sure, notes=[*checked.notes, *([refused] if refused else [])])
        if sure and checked.verdict is Verdict.VALID:
            by = ", ".join(filter(None, (checked.confirmed_by, "witness replayed")))
            checked = replace(checked, confirmed_by=by)
    if options.witness and checked.verdict is Verdict.VALID:
        if chosen.orders:
            return replace(checked, witness=str(write_witness(chosen, options.witness)))
        why = "no witness was written: no engine kept an order within the limits"
        return replace(checked, notes=[*checked.notes, why])
    return checked


def _drawn(checked: Checked, original: History, result: Result, options: CheckOptions) -> Checked:
    """Add what --counterexample and --html ask for, and the drawing for the terminal."""
    if options.counterexample and result.anomalies:
        where = write_counterexample(original, result, options.counterexample)
        checked = replace(checked, counterexample=str(where))
    if options.html:
        from quorate.reports.recorded import page  # noqa: PLC0415 - keeps --help quick

        where = page(original, result, options.html, Path(original.source).name)
        checked = replace(checked, html=str(where))
    if result.anomalies and not options.as_json:
        from quorate.reports.recorded import lanes  # noqa: PLC0415 - keeps --help quick

        width = shutil.get_terminal_size().columns - 2
        checked = replace(checked, lanes=list(lanes(original, result, width)))
    return checked


def _question(path: Path, history: History, options: CheckOptions) -> Question:
    from quorate.checkers import MODELS, recognise  # noqa: PLC0415 - keeps --help quick
    from quorate.checkers.expected import guarantee  # noqa: PLC0415
    from quorate.checkers.initial import UNSTATED, read_initial  # noqa: PLC0415
    from quorate.checkers.names import UnknownNameError, model_named  # noqa: PLC0415
    from quorate.checkers.normal import functions_of  # noqa: PLC0415
    from quorate.checkers.watches import WatchesAreReliable  # noqa: PLC0415

    try:
        model = model_named(options.model, MODELS) if options.model else _recorded_model(path)
    except UnknownNameError as error:
        raise UsageError(str(error)) from error
    settings = [setting.partition("=") for setting in options.settings]
    for name, equals, _ in settings:
        if not equals:
            raise UsageError(f"--set {name}: write NAME=VALUE")
    expect = options.expect
    if model is None and expect is None and functions_of(history) == {"watch"}:
        # Watches are of no model: they are held to their promises.
        expect = WatchesAreReliable.name
    return Question(
        model=model or ("" if guarantee(expect) else recognise(history)),
        expect=expect,
        limits=options.limits,
        initial=UNSTATED if options.initial is None else read_initial(options.initial),
        settings={name: value for name, _, value in settings},
    )


def _doubted(history: History, doubt: ModelError) -> Checked:
    """The answer where the operations could be of several models and prove none."""
    result = Result("", Verdict.UNKNOWN, reason=str(doubt), operations=len(history.operations()))
    return replace(Checked.of(result, notes(history)), candidates=list(doubt.candidates))


def _recorded_model(path: Path) -> str | None:
    """The model that the run's workload names, where the path is a run."""
    if not path.is_dir() or is_foreign(path):
        return None
    from quorate.harness.run.parts import recorded_model  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.run.replaying import read_test  # noqa: PLC0415

    return recorded_model(read_test(store.resolve(path)))


def is_foreign(folder: Path) -> bool:
    """Whether a folder holds a history that no run of ours wrote: of Jepsen's store, or etcd's robustness tests."""
    from quorate.harness.history import robustness  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.history.journal import FILE_NAME  # noqa: PLC0415 - keeps --help quick
    from quorate.harness.history.source import history_in  # noqa: PLC0415

    found = history_in(folder)
    if found is None:
        return bool(robustness.files_of(folder))
    return found.name != FILE_NAME
