"""From a campaign file to a folder with all its records, and the exit code of the worst of them.

See docs/decisions/campaigns.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from quorate.harness.campaign import expecting
from quorate.harness.campaign.cell import Record
from quorate.harness.campaign.execute import (
    Execution,
    Executor,
    Listener,
    Local,
    Options,
    never_run,
    write_summary,
)
from quorate.harness.campaign.file import Campaign
from quorate.harness.campaign.ledger import Ledger, read
from quorate.harness.cluster import slots
from quorate.harness.core import store
from quorate.harness.core.exits import Exit, worst
from quorate.harness.core.test import UsageError

PLAN = "plan.json"


class Ended(msgspec.Struct, frozen=True):
    """A campaign's end: its folder, a record of every run and of every cell without one; whether it was interrupted."""

    folder: Path
    records: Sequence[Record]
    interrupted: bool = False


def open_folder(campaign: Campaign, root: Path, *, resume: bool) -> Path:
    """Make a folder for the campaign, or with `resume` find the newest of the same cells.

    Raise `UsageError` where there is none.
    """
    plan = sorted(cell.key for cell in campaign.cells)
    if resume:
        folders = sorted((root / "campaigns" / campaign.name).glob("*/" + PLAN), reverse=True)
        for found in folders:
            if json.loads(found.read_text()) == plan:
                return found.parent
        raise UsageError(
            f"{root} holds no campaign {campaign.name} with these cells: run it without --resume"
        )
    folder = store.create(root / "campaigns", campaign.name, campaign.seed)
    store.point_latest(folder)
    store.write_json(folder, PLAN, plan)
    return folder


def run_campaign(
    campaign: Campaign, folder: Path, options: Options, listener: Listener, executor: Executor | None = None
) -> Ended:
    """Execute what is not finished yet; `campaign.json` is renewed after every record, so reports never wait."""
    ledger = Ledger(folder)
    where = executor or Local(slots=options.jobs, store=str(folder / "runs"))

    def recorded(record: Record | None, running: Sequence[Any]) -> None:
        if record is not None:
            write_summary(folder, campaign, ledger.records)
        listener(record, running)

    execution = Execution(campaign, options, where, ledger, recorded)
    interrupted = False
    try:
        with slots.campaign(), signals_as_one():
            asyncio.run(execution.run())
    except KeyboardInterrupt:
        interrupted = True
    records = (*ledger.records, *never_run(campaign, ledger.records))
    write_summary(folder, campaign, records)
    return Ended(folder, records, interrupted)


@contextlib.contextmanager
def signals_as_one() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end a campaign as Ctrl-C does: with the summary of what it has."""
    before = {}
    for signum in (signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(ValueError):  # not in the main thread: Ctrl-C does not come here either
            before[signum] = signal.signal(signum, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def baseline(folder: Path) -> Mapping[str, frozenset[str]]:
    """Return, for each cell of an earlier campaign, the verdicts that it showed."""
    seen: dict[str, set[str]] = {}
    for record in read(folder):
        seen.setdefault(record.cell, set()).add(record.verdict)
    if not seen:
        raise UsageError(
            f"--baseline {folder}: it holds no records of a campaign; give a folder like store/campaigns/NAME/TIME-SEED"
        )
    return {cell: frozenset(verdicts) for cell, verdicts in seen.items()}


def exit_code(records: Sequence[Record], known: Mapping[str, frozenset[str]] | None = None) -> int:
    """Return 0 when every record is as expected (or, with a baseline, as bad before), else the worst news.

    A cell that expects `invalid` and was valid is an anomaly of the gate: the known bug was not found again. One of
    several repeats that finds it is enough. A cell of which no run was made proved nothing: 2, also with a baseline.
    """
    codes = {Exit.VALID}
    found_again = {record.cell for record in records if record.verdict == "invalid" == record.expect}
    for record in records:
        missed = record.verdict != "invalid" and expecting.wants_anomaly(record.expect)
        if record.as_expected or (missed and record.cell in found_again):
            continue
        if (
            record.status != "skipped"
            and known is not None
            and record.verdict in known.get(record.cell, frozenset())
        ):
            continue
        codes.add({"error": Exit.BROKEN, "unknown": Exit.UNKNOWN}.get(record.verdict, Exit.ANOMALY))
    return worst(codes)
