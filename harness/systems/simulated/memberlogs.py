"""The log of a simulated replica, written at the end of a run and read back: entries as they stand, replayed.

One JSON line for the replica, then one for each entry. What a bug prepared in memory is in no log: from such an entry
on nothing of a replay is sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

from quorate.harness.core import safely
from quorate.harness.core.memberlog import FOLDER, Change, LogEntry, MemberLog
from quorate.harness.core.outcome import OutcomeError
from quorate.harness.systems.simulated.cluster import SimulatedNode
from quorate.harness.systems.simulated.commands import NOTHING, Command, Entry
from quorate.harness.systems.simulated.store import Store

_FILE: Final = "log.jsonl.zst"
_ENTRIES_MAX: Final = 300_000
_BYTES_MAX: Final = 256 << 20
_SPACES: Final = {"write": "register", "add": "set", "enqueue": "queue"}
_NO_EFFECT: Final = frozenset({NOTHING, "forget"})


class _Head(msgspec.Struct, frozen=True):
    """The replica: `cells` is what it holds, [space, key, value, version], None where it does not run."""

    term: int
    commit: int = 0
    applied: int | None = None
    cells: list[Any] | None = None
    length: int = 0


class _Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry; `altered` is what a bug made this replica apply instead, `opaque` what is not in the log."""

    term: int
    f: str
    key: str = ""
    argument: Any = None
    session: str = ""
    twist: str = ""
    altered: Any = None
    opaque: bool = False


def keep(node: SimulatedNode, folder: Path) -> None:
    """Write the log of one replica, dead or alive."""
    disk, replica = node.disk, node.replica
    entries = disk.log[1 : _ENTRIES_MAX + 1]
    head = _Head(disk.term, length=len(disk.log) - 1)
    if replica is not None:
        cells = [[*place, cell.value, cell.version] for place, cell in replica.store.cells.items()]
        head = _Head(disk.term, replica.commit, replica.applied, cells, len(disk.log) - 1)
    lines = [_kept(entry, disk.altered.get(index)) for index, entry in enumerate(entries, 1)]
    content = msgspec.json.Encoder(order="deterministic").encode_lines([head, *lines])
    (folder / _FILE).write_bytes(zstandard.ZstdCompressor().compress(content))


def _kept(entry: Entry, altered: Command | None) -> _Kept:
    command = entry.command
    return _Kept(
        entry.term,
        command.f,
        command.key,
        command.argument,
        command.session,
        command.twist,
        None if altered is None else altered.argument,
        command.prepared is not None,
    )


def read(folder: Path) -> list[MemberLog]:
    """Read the logs of all replicas from the folder of a run."""
    return [_read(path) for path in sorted((folder / "nodes").glob(f"*/{FOLDER}/{_FILE}"))]


def _read(path: Path) -> MemberLog:
    member = path.parent.parent.name
    try:
        packed = safely.contents(path, _BYTES_MAX)
        content = zstandard.ZstdDecompressor().stream_reader(packed).read(_BYTES_MAX)
        first, *rest = content.splitlines()
        head = msgspec.json.decode(first, type=_Head)
        kept = [msgspec.json.decode(line, type=_Kept) for line in rest]
    except (OSError, ValueError, zstandard.ZstdError) as error:
        return MemberLog(member, notes=(f"{path} cannot be read: {error}",))
    entries, store = _replayed(kept, head.applied)
    opaque = any(one.opaque for one in kept)
    explained = None
    if head.cells is not None and not opaque and head.length == len(kept):
        explained = _cells(head.cells) == _cells(
            [[*place, cell.value, cell.version] for place, cell in store.cells.items()]
        )
    return MemberLog(
        member,
        entries,
        term=head.term,
        commit=head.commit,
        applied=head.applied,
        complete=head.length == len(kept),
        explained=explained,
        notes=("a bug prepared entries in memory: what they do is not in the log",) if opaque else (),
    )


def _cells(cells: Sequence[Any]) -> list[Any]:
    """Cells as they compare after a journey through JSON: sets have become lists."""
    plain = msgspec.json.decode(msgspec.json.encode([[*one[:2], _ordered(*one), one[3]] for one in cells]))
    return sorted(plain, key=lambda one: (one[0], one[1]))


def _ordered(space: str, _key: str, value: Any, _version: int) -> Any:
    return sorted(value, key=str) if space == "set" else value


def _replayed(kept: Sequence[_Kept], applied: int | None) -> tuple[tuple[LogEntry, ...], Store]:
    """Apply the entries up to the last applied one; those behind it are only listed."""
    store, sure = Store(), True
    found = []
    for index, one in enumerate(kept, 1):
        sure = sure and not one.opaque
        argument = one.argument if one.altered is None else one.altered
        command = Command(one.f, one.key, argument, one.session, one.twist)
        found.append(_entry(store, index, one, command, sure=sure, run=applied is None or index <= applied))
    return tuple(found), store


def _entry(store: Store, index: int, one: _Kept, command: Command, *, sure: bool, run: bool) -> LogEntry:
    action = _said(one)
    if not run:
        return LogEntry(index, one.term, action, asks=_asked(one, ()), sure=False)
    effect = None if command.f in _NO_EFFECT else store.effect(index, command)
    outcome = store.apply(index, command)
    if effect is None:
        return LogEntry(index, one.term, action, sure=sure)
    held = any(store.cells[place].version == index for place, _ in effect.changes if place in store.cells)
    asks = _asked(one, effect.changes)
    refused = str(outcome) if isinstance(outcome, OutcomeError) else ""
    return LogEntry(
        index,
        one.term,
        action,
        asks=asks,
        changes=asks if held else (),
        revision=index if held else None,
        refused=refused,
        sure=sure,
    )


def _asked(one: _Kept, changes: Sequence[tuple[tuple[str, str], Any]]) -> tuple[Change, ...]:
    """The changes that the entry asks for, in the words of its client; a refused one asks all the same."""
    match one.f:
        case "write" | "add" | "enqueue":
            return (Change(_SPACES[one.f], one.key, one.argument),)
        case "cas":
            return (Change("register", one.key, one.argument[1]),)
        case "change":
            return tuple(Change("revisions", name, value) for name, value in one.argument[0].items())
        case "txn":
            return tuple(Change("txn", key, value) for (_, key), value in changes)
        case _:
            return ()


def _said(one: _Kept) -> str:
    """The entry in words; a twist is how a buggy leader marked it."""
    match one.f:
        case "write" | "add" | "enqueue":
            said = f"{one.f} {one.key} = {one.argument}"
        case "cas":
            said = f"if {one.key} = {one.argument[0]} then write {one.argument[1]}"
        case "change":
            changes, past = one.argument
            said = "change " + ", ".join(f"{name} = {value}" for name, value in changes.items())
            said += f", look at revision {past}" if past is not None else ""
        case "forget":
            said = f"compact up to {one.argument}"
        case "txn":
            said = f"transaction {msgspec.json.encode(one.argument).decode()}"
        case f if f == NOTHING:
            said = "the empty entry of a new leader"
        case _:
            said = " ".join(
                str(part) for part in (one.f, one.key, one.argument) if part is not None and part != ""
            )
    return f'{said}, marked "{one.twist}" by the leader' if one.twist else said
