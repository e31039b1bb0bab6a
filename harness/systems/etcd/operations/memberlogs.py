"""From the folder of a run to what each member's log holds, entry by entry, as that member applied it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from quorate.harness.core import safely
from quorate.harness.core.memberlog import FOLDER, LogEntry, MemberLog, Skipped, Start
from quorate.harness.systems.etcd.operations import keeping, wal
from quorate.harness.systems.etcd.operations.entries import Request, change_of, decoded
from quorate.harness.systems.etcd.operations.replay import Effect
from quorate.harness.systems.etcd.operations.skipped import Replayed, Rules, explain, replay
from quorate.harness.systems.etcd.operations.starts import Began, starts
from quorate.harness.systems.etcd.operations.wal import Wal
from quorate.harness.systems.memberstates import dump_of

_LOG_BYTES_MAX: Final = 64 << 20
_MASK: Final = 0xFFFF
_CHECKS_RANGES_SINCE: Final = (3, 7)


def read_logs(folder: Path, began: datetime | None) -> list[MemberLog]:
    """Read the log of each node that has one in the folder; `began` is the date of the history's time 0."""
    kept: dict[str, Wal] = {}
    broken: list[MemberLog] = []
    for node in sorted((folder / "nodes").glob("*")):
        try:
            segments = keeping.kept(node / FOLDER)
        except OSError as error:
            broken.append(MemberLog(node.name, notes=(str(error),)))
            continue
        if segments:
            kept[node.name] = wal.read(segments)
    names = {log.member & _MASK: name for name, log in kept.items() if log.member is not None}
    found = [_member(folder / "nodes" / name, log, names, began) for name, log in kept.items()]
    return sorted([*found, *broken], key=lambda one: one.member)


def _member(node: Path, log: Wal, names: Mapping[int, str], began: datetime | None) -> MemberLog:
    lives = starts(_content(node / "etcd.log"))
    dump, notes = dump_of(node), []
    requests = [decoded(raw) for raw in log.entries]
    whole = bool(requests) and _whole(requests)
    rules = Rules(log.member, _checks_ranges(lives))
    skipped: Mapping[int, int] = {}
    back = [number for number, life in enumerate(lives) if number and life.revision is not None]
    explained: bool | None = None
    position = dump.position if dump is not None else None
    if dump is not None and position is not None and whole and position <= requests[-1].index:
        revisions = [lives[number].revision or 0 for number in back]
        replayed, skipped, explained = explain(requests, rules, position, dump.contents, revisions)
    else:
        replayed = replay(requests, rules, None)
    if log.damage:
        notes.append(f"its log ends at {log.damage}")
    if not whole:
        first = requests[0].index if requests else 0
        notes.append(f"its log begins at entry {first}: what came before is only in snapshots")
    return MemberLog(
        node.name,
        _entries(requests, replayed, names, known=whole and explained is not False),
        term=log.term,
        commit=log.commit,
        applied=position,
        snapshot=log.snapshot,
        complete=whole and not log.damage,
        replaced=log.replaced,
        starts=tuple(_start(life, began) for life in lives),
        skipped=tuple(Skipped(requests[at].index, back[start]) for at, start in sorted(skipped.items())),
        explained=explained,
        notes=tuple(notes),
    )


def _entries(
    requests: Sequence[Request], replayed: Replayed, names: Mapping[int, str], *, known: bool
) -> tuple[LogEntry, ...]:
    """The entries with their effects; without `known`, nothing of what the replay says is sure."""
    found = []
    for request, done in zip(requests, replayed.effects, strict=True):
        effect = done or Effect(sure=False)
        asks = tuple(change_of(key, value) for key, value in effect.asks)
        found.append(
            LogEntry(
                request.index,
                request.term,
                request.action,
                asks=asks,
                changes=asks if effect.revision is not None else (),
                revision=effect.revision,
                refused=effect.refused,
                sure=effect.sure and known,
                through=None if request.proposer is None else names.get(request.proposer),
            )
        )
    return tuple(found)


def _whole(requests: Sequence[Request]) -> bool:
    """Whether no entry is missing from the first ever to the last."""
    return requests[0].index == 1 and requests[-1].index == len(requests)


def _checks_ranges(lives: Sequence[Began]) -> bool:
    releases = [_numbers(life.release) for life in lives if life.release]
    return bool(releases) and min(releases) >= _CHECKS_RANGES_SINCE


def _numbers(release: str) -> tuple[int, ...]:
    parts = release.split("-", maxsplit=1)[0].split(".")
    return tuple(int(part) for part in parts if part.isdigit())


def _start(life: Began, began: datetime | None) -> Start:
    time_s = None
    if life.at is not None and began is not None:
        time_s = round((life.at - began).total_seconds(), 3)
    if not life.last:
        return Start(time_s, "with an empty log")
    origin = f"from snapshot {life.snapshot}" if life.snapshot else "without a snapshot"
    store = f", its store at revision {life.revision}" if life.revision is not None else ""
    return Start(time_s, f"{origin}{store}, its log up to {life.last} with {life.commit} committed")


def _content(path: Path) -> bytes:
    try:
        return safely.contents(path, _LOG_BYTES_MAX)
    except OSError:
        return b""
