"""From the folder of a run to what each Consul server's log holds, entry by entry, as that server applied it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from quorate.harness.core.memberlog import FOLDER, LogEntry, MemberLog
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.systems import keeping
from quorate.harness.systems.consul.operations import entries, raftlog
from quorate.harness.systems.consul.operations.raftlog import Raw
from quorate.harness.systems.consul.operations.records import Held
from quorate.harness.systems.consul.operations.replaying import Effect, Store
from quorate.harness.systems.memberstates import dump_of

_DATABASE: Final = "raft.db"
_SNAPSHOTS_MAX: Final = 3
_COMMAND_S: Final = 20.0
_BEGINS: Final = re.compile(rb"^\s*(\d{4}-\S+) .*raft: initial configuration: ", re.MULTILINE)
# Copy a database ($1) to another file ($2) while its server runs: whole, if no transaction was committed meanwhile. The
# two pages at its beginning say that, of 64 KiB at most.
_COPY: Final = """
for try in 1 2 3 4 5; do
  head -c 131072 "$1" >"$2.head" && cp "$1" "$2" || exit 1
  head -c 131072 "$1" | cmp -s - "$2.head" && exit 0
  sleep 0.2
done
exit 1
"""


async def keep(node: Node, folder: str, target: Path) -> None:
    """Copy raft.db and the newest snapshots of a server's raft folder; raise `Broken` where that fails."""
    copy = f"{node.directory}/kept/{_DATABASE}"
    await node.run(["mkdir", "-p", f"{node.directory}/kept"], timeout_s=_COMMAND_S)
    done = await node.run(
        ["sh", "-c", _COPY, "copy", f"{folder}/{_DATABASE}", copy], timeout_s=_COMMAND_S, check=False
    )
    if done.code != 0:
        raise Broken("no-such-file", f"{node.name} has no {folder}/{_DATABASE}, or it did not come to rest")
    pictures = [
        name for name in await keeping.names(node, f"{folder}/snapshots") if not name.endswith(".tmp")
    ]
    named = []
    for name in pictures[-_SNAPSHOTS_MAX:]:
        state = f"{node.directory}/kept/{name}.bin"
        await node.run(
            ["cp", f"{folder}/snapshots/{name}/state.bin", state], timeout_s=_COMMAND_S, check=False
        )
        named.append(state)
    await keeping.fetch(node, [copy, *named], target)


def read_logs(folder: Path, began: datetime | None) -> list[MemberLog]:
    """Read the log of each node that has one in the folder; `began` is the date of the history's time 0."""
    found = []
    for node in sorted((folder / "nodes").glob("*")):
        try:
            database = keeping.kept(node / FOLDER, (_DATABASE,))
            pictures = keeping.kept(node / FOLDER, ("*.bin",))
        except OSError as error:
            found.append(MemberLog(node.name, notes=(str(error),)))
            continue
        if database:
            found.append(_member(node, database[_DATABASE], pictures, began))
    return found


def _member(node: Path, database: bytes, pictures: Mapping[str, bytes], began: datetime | None) -> MemberLog:
    log = raftlog.read(database)
    notes = [f"its log: {log.damage}"] if log.damage else []
    dump = dump_of(node)
    position = dump.position if dump is not None else None
    newest, records = _base(pictures, position, notes)
    first = log.entries[0].index if log.entries else 0
    # What an entry before the snapshot did is known only where the log begins with the first one.
    based = newest > 0 and first > 1
    reaches = first == 1 or (based and newest >= first - 1)
    effects, contents = _replayed(
        log.entries, (newest, records) if based else None, position, reaches=reaches
    )
    explained: bool | None = None
    if (
        dump is not None
        and position is not None
        and reaches
        and log.entries
        and log.entries[-1].index >= position
    ):
        explained = contents == dict(dump.contents)
    if first > 1:
        notes.append(f"its log begins at entry {first}: what came before is only in snapshots")
    return MemberLog(
        node.name,
        _entries(log.entries, effects, known=explained is not False),
        term=log.term,
        applied=position,
        snapshot=newest,
        complete=first == 1 and not log.damage,
        starts=keeping.starts(node / "consul.log", _BEGINS, began),
        explained=explained,
        notes=tuple(notes),
    )


def _base(pictures: Mapping[str, bytes], upto: int | None, notes: list[str]) -> tuple[int, Sequence[Held]]:
    """The newest snapshot up to an index that can be read: its last index, and its records; (0, ()) without one."""
    found: tuple[int, Sequence[Held]] = (0, ())
    for name, content in pictures.items():
        try:
            index, records = raftlog.snapshot(content)
        except ValueError as error:
            notes.append(f"its snapshot {name.removesuffix('.bin')} cannot be read: {error}")
            continue
        if index >= found[0] and (upto is None or index <= upto):
            found = index, records
    return found


def _replayed(
    log: Sequence[Raw],
    base: tuple[int, Sequence[Held]] | None,
    position: int | None,
    *,
    reaches: bool,
) -> tuple[list[Effect | None], dict[str, list[Any]]]:
    """The effect of each entry (None: not known), and the keys at the position (None: at the end)."""
    effects: list[Effect | None] = []
    after, records = base if base is not None else (0, ())
    store = Store(records)
    contents: dict[str, list[Any]] | None = None
    for raw in log:
        if position is not None and contents is None and raw.index > position:
            contents = store.dumped()
        known = reaches and raw.index > after
        effects.append(store.apply(raw) if known else None)
    return effects, store.dumped() if contents is None else contents


def _entries(log: Sequence[Raw], effects: Sequence[Effect | None], *, known: bool) -> tuple[LogEntry, ...]:
    found = []
    for raw, effect in zip(log, effects, strict=True):
        asks = entries.asked(raw)
        changed = effect is not None and bool(effect.changed)
        found.append(
            LogEntry(
                raw.index,
                raw.term,
                entries.said(raw),
                asks=asks,
                changes=asks if changed else (),
                revision=raw.index if changed else None,
                refused=effect.refused if effect is not None else "",
                sure=known and effect is not None and effect.sure,
                replayed=effect is not None,
            )
        )
    return tuple(found)
