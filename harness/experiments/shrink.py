"""`quorate shrink`: from the folder of a run to a folder with the smallest way to its anomaly."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core import reading
from quorate.harness.core.outcome import Broken
from quorate.harness.core.signature import Signature, signatures
from quorate.harness.core.test import UsageError
from quorate.harness.experiments.candidate import of_run
from quorate.harness.experiments.handing_out import HandedOut, hand_out, operations_of
from quorate.harness.experiments.memo import DECISIONS, Memo
from quorate.harness.experiments.reproducing import reproduce
from quorate.harness.experiments.sequential import Tally
from quorate.harness.experiments.shrinking import NotShownError, Shrinker, Step
from quorate.harness.experiments.trial import Trials

FOLDER: Final = "shrink"


class ShrinkOptions(msgspec.Struct, frozen=True):
    """How to shrink: runs at once, the time after which nothing new is tried, and runs for the rate at the end.

    `only` are patterns of signatures; without any, each anomaly that the run showed counts.
    """

    jobs: int = 1
    budget_s: float = 3600.0
    confirm: int = 20
    error: float = 0.1
    only: Sequence[str] = ()
    resume: bool = False


def wanted_of(run: Path, only: Sequence[str]) -> frozenset[Signature]:
    """Return what is to be shown again; raise `UsageError` where the run shows nothing of the kind."""
    shown = signatures(reading.results(run))
    if not shown:
        raise UsageError(f"{run} shows no anomaly: nothing to look for")
    chosen = frozenset(one for one in shown if not only or any(one.matches(pattern) for pattern in only))
    if not chosen:
        raise UsageError(
            f"{run} does not show {', '.join(only)}; it shows {', '.join(sorted(map(str, shown)))}"
        )
    return chosen


def open_experiment(folder: Path, *, resume: bool) -> Memo:
    """Return the answers of an experiment's folder; without `resume` those of an earlier one are dropped."""
    known = folder / DECISIONS
    if resume and not known.exists():
        raise UsageError(f"{folder} holds nothing to resume: leave --resume out")
    try:
        if not resume and folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Broken("store", f"cannot make {folder}: {error}") from error
    return Memo(folder)


async def shrink_run(
    run: Path,
    folder: Path,
    options: ShrinkOptions,
    listener: Callable[[Step], None] = lambda _: None,
    asking: Callable[[str, Tally], None] = lambda _, __: None,
) -> HandedOut:
    """Shrink a stored run into `folder`; raise `Broken` where its anomaly does not come again."""
    wanted = wanted_of(run, options.only)
    memo = open_experiment(folder, resume=options.resume)
    start = of_run(run)
    async with Trials(folder / "runs", slots=options.jobs) as trials:
        shrinker = Shrinker(
            trials,
            memo,
            folder,
            wanted,
            error=options.error,
            budget_s=options.budget_s,
            listener=listener,
            asking=asking,
        )
        try:
            shrunk = await shrinker.shrink(start, confirm=options.confirm)
        except NotShownError as error:
            raise Broken("not-shown", f"{run}: {error}") from error
    shown = shrunk.at_end.shown or shrunk.at_start.shown
    made = await reproduce(
        shrunk.end.test, None if shown is None else Path(shown), folder, faults=len(shrunk.end.rows)
    )
    return hand_out(shrunk, folder, sorted(wanted), operations_of(run), made)
