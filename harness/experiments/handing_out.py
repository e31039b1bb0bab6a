"""What a shrunk run is handed out as: a schedule, a command, the minimal history, a summary for people and programs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core import reading, store
from quorate.harness.core.signature import Signature
from quorate.harness.experiments.candidate import SHRUNK, Candidate, write
from quorate.harness.experiments.reproducing import Reproducer
from quorate.harness.experiments.sequential import Tally
from quorate.harness.experiments.shrinking import Shrunk
from quorate.nemesis.rows import to_toml

SCHEDULE: Final = "schedule.toml"
SUMMARY: Final = "shrunk.json"
HISTORY: Final = "history.jsonl"


class Size(msgspec.Struct, frozen=True):
    """How large a run is; times in seconds, `rate` in operations per second."""

    words: str
    faults: Sequence[str]
    time_s: float
    clients: int
    nodes: int
    rate: float
    settings: Mapping[str, str]
    seed: int | None
    operations: int


class Rate(Tally, frozen=True, kw_only=True):
    """How often the shrunk run shows the anomaly."""

    text: str = msgspec.field(name="words")


class MinimalHistory(msgspec.Struct, frozen=True):
    """The file of the sub-history that shows the anomaly, if any, and its operations."""

    file: str | None
    operations: int


class Summary(msgspec.Struct, frozen=True, rename={"before": "from", "after": "to"}):
    """What `shrunk.json` holds."""

    signatures: Sequence[str]
    command: str
    sentence: str
    before: Size
    after: Size
    minimal_history: MinimalHistory
    reproducer: Reproducer
    rate: Rate
    decided: int
    out_of_time: bool


class HandedOut(msgspec.Struct, frozen=True):
    """Where the parts lie, and the numbers: `operations` of the whole run, `shown` of the minimal history."""

    folder: Path
    command: str
    operations: int
    shown: int
    schedule: Path | None
    history: Path | None
    summary: Summary


def hand_out(
    shrunk: Shrunk, folder: Path, wanted: Sequence[Signature], start_operations: int, reproducer: Reproducer
) -> HandedOut:
    """Write everything into the experiment's folder."""
    schedule = None
    test = shrunk.end.test
    if shrunk.end.rows:
        schedule = write(folder / SCHEDULE, to_toml(shrunk.end.rows))
        test = msgspec.structs.replace(test, schedule=str(schedule))
    elif (folder / SCHEDULE).exists():
        (folder / SCHEDULE).unlink()
    write(folder / Path(SHRUNK).name, msgspec.json.encode(shrunk.end).decode())
    history, shown = _history(shrunk, folder)
    command = test.command()
    operations = _operations(shrunk.at_end.shown)
    summary = Summary(
        signatures=sorted(map(str, wanted)),
        command=command,
        sentence=shrunk.at_end.said or shrunk.at_start.said,
        before=_size(shrunk.start, start_operations),
        after=_size(shrunk.end, operations),
        minimal_history=MinimalHistory(None if history is None else history.name, shown),
        reproducer=reproducer,
        rate=_rate(shrunk),
        decided=shrunk.steps,
        out_of_time=shrunk.out_of_time,
    )
    store.write_json(folder, SUMMARY, msgspec.to_builtins(summary))
    return HandedOut(folder, command, operations, shown, schedule, history, summary)


def text(out: HandedOut) -> str:
    """Write it for a terminal."""
    before, after = out.summary.before, out.summary.after
    lines = [
        f"{', '.join(out.summary.signatures)}",
        f"  {out.summary.sentence}",
        "",
        f"from  {before.words}, {before.operations} operations",
        f"to    {after.words}, {after.operations} operations, {out.shown} of them in the minimal history",
        f"rate  {out.summary.rate.text}",
        "",
        "  " + out.command,
        "",
    ]
    if out.schedule is not None:
        lines.append(f"schedule         {out.schedule}")
    if out.history is not None:
        lines.append(f"minimal history  {out.history}")
    lines.append(f"without quorate  {out.summary.reproducer.words()}")
    lines.append(f"summary          {out.folder / SUMMARY}")
    if out.summary.out_of_time:
        lines.append("the time ran out before all was tried: --resume continues")
    return "\n".join(lines)


def _rate(shrunk: Shrunk) -> Rate:
    tally, test = shrunk.at_end.tally, shrunk.end.test
    words = tally.words()
    if test.virtual:
        words = f"each time with seed {test.seed}; with that and the seeds after it {words}"
    return Rate(**msgspec.structs.asdict(tally), text=words)


def _size(candidate: Candidate, operations: int) -> Size:
    test = candidate.test
    return Size(
        words=candidate.words(),
        faults=[row.words() for row in candidate.rows],
        time_s=test.time,
        clients=test.clients,
        nodes=test.nodes,
        rate=test.rate,
        settings=test.settings,
        seed=test.seed,
        operations=operations,
    )


def operations_of(folder: Path) -> int:
    """Return how many operations a stored run made."""
    return reading.results(folder).statistics.operations


def _operations(shown: str | None) -> int:
    return 0 if shown is None or not Path(shown).is_dir() else operations_of(Path(shown))


def _history(shrunk: Shrunk, folder: Path) -> tuple[Path | None, int]:
    """Copy the counterexample of the last run that showed it, and count its operations."""
    shown = shrunk.at_end.shown or shrunk.at_start.shown
    source = None if shown is None else Path(shown) / store.COUNTEREXAMPLE
    if source is None or not source.is_file():
        return None, 0
    target = folder / HISTORY
    shutil.copyfile(source, target)
    events = [json.loads(line) for line in target.read_text().splitlines() if line]
    return target, sum(
        event.get("type") == "invoke" and event.get("process") != "nemesis" for event in events
    )
