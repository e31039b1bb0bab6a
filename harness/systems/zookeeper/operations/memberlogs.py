"""From the folder of a run to what each server's log holds, transaction by transaction, as that server applied it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from quorate.harness.core.memberlog import FOLDER, Change, LogEntry, MemberLog, Skipped
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken
from quorate.harness.core.system import NodeDump
from quorate.harness.systems import keeping
from quorate.harness.systems.memberstates import dump_of
from quorate.harness.systems.values import value_of
from quorate.harness.systems.zookeeper.client.access import ROOT
from quorate.harness.systems.zookeeper.operations import snapshots, txnlog
from quorate.harness.systems.zookeeper.operations.jute import JuteError
from quorate.harness.systems.zookeeper.operations.replaying import Replay, explain
from quorate.harness.systems.zookeeper.operations.transactions import (
    Create,
    Delete,
    SetData,
    Transaction,
    decoded,
)
from quorate.harness.systems.zookeeper.operations.tree import LOCAL, Znode
from quorate.harness.systems.zookeeper.operations.txnlog import TxnLog

_LOGS_MAX: Final = 60
_SNAPSHOTS_MAX: Final = 20
_LEFT_OUT: Final = "left-out.txt"  # beside the logs: how many older ones were not kept
_EPOCH: Final = 32
_BEGINS: Final = re.compile(rb"^(\d{4}-\d\d-\d\d.\d\d:\d\d:\d\d,\d{3}) .*?Starting quorum peer", re.MULTILINE)


async def keep(node: Node, folder: str, target: Path) -> None:
    """Copy the newest logs and snapshots of a server's version-2 folder; raise `Broken` where that fails."""
    found = sorted(await keeping.names(node, folder), key=txnlog.first_zxid)
    logs = [name for name in found if name.startswith("log.")]
    if not logs:
        raise Broken("no-such-file", f"{node.name} has no transaction log in {folder}")
    pictures = [name for name in found if name.startswith("snapshot.")]
    chosen = [*logs[-_LOGS_MAX:], *pictures[-_SNAPSHOTS_MAX:]]
    await keeping.fetch(node, [f"{folder}/{name}" for name in chosen], target)
    if len(logs) > _LOGS_MAX:
        (target / _LEFT_OUT).write_text(f"{len(logs) - _LOGS_MAX}\n")


def read_logs(folder: Path, began: datetime | None) -> list[MemberLog]:
    """Read the log of each node that has one in the folder; `began` is the date of the history's time 0."""
    kept: dict[str, tuple[TxnLog, Mapping[str, bytes]]] = {}
    broken: list[MemberLog] = []
    for node in sorted((folder / "nodes").glob("*")):
        try:
            logs = keeping.kept(node / FOLDER, ("log.*",))
            pictures = keeping.kept(node / FOLDER, ("snapshot.*",))
        except OSError as error:
            broken.append(MemberLog(node.name, notes=(str(error),), hexadecimal=True))
            continue
        if logs:
            kept[node.name] = txnlog.read(logs), pictures
    dumps = {name: dump_of(folder / "nodes" / name) for name in kept}
    agreed = _agreed({name: log for name, (log, _) in kept.items()}, dumps)
    found = [
        _member(folder / "nodes" / name, log, pictures, agreed, dumps[name], began)
        for name, (log, pictures) in kept.items()
    ]
    return sorted([*found, *broken], key=lambda one: one.member)


def _agreed(logs: Mapping[str, TxnLog], dumps: Mapping[str, NodeDump | None]) -> set[int]:
    """The zxids that some server has in its log, and had applied when it was asked for its state."""
    found: set[int] = set()
    for name, log in logs.items():
        dump = dumps[name]
        upto = dump.position if dump is not None and dump.position is not None else 0
        found.update(raw.zxid for raw in log.entries if raw.zxid <= upto)
    return found


def _member(
    node: Path,
    log: TxnLog,
    pictures: Mapping[str, bytes],
    agreed: Collection[int],
    dump: NodeDump | None,
    began: datetime | None,
) -> MemberLog:
    transactions = [decoded(raw) for raw in log.entries]
    gaps = _gaps(transactions, agreed)
    notes = [f"its log {damage}" for damage in log.damage]
    if transactions and (node / FOLDER / _LEFT_OUT).is_file():
        gaps[transactions[0].zxid] = 0  # how many is not known
        notes.append(f"its log begins at 0x{transactions[0].zxid:x}: older files were not kept")
    bases, unread = _bases(pictures, bool(gaps))
    notes += unread
    position = dump.position if dump is not None else None
    contents = _compared(dump) if dump is not None and position is not None else None
    replayed, skipped, explained = explain(transactions, bases, gaps, position, contents)
    first = min((zxid for zxid, count in gaps.items() if count), default=None)
    if first is not None:
        notes.append(
            f"its log lacks {gaps[first]} transactions before 0x{first:x}: it got them in a snapshot"
        )
    if replayed.wrong is not None:
        notes.append(f"its tree is not what the leader's digest says from 0x{replayed.wrong:x} on")
    known = explained is not False and replayed.wrong is None
    return MemberLog(
        node.name,
        _entries(transactions, replayed, known=known),
        term=transactions[-1].zxid >> _EPOCH if transactions else 0,
        applied=position,
        snapshot=max(map(txnlog.first_zxid, pictures), default=0),
        complete=bool(transactions)
        and not gaps
        and not log.damage
        and all(one.known for one in transactions),
        replaced=log.replaced,
        starts=keeping.starts(node / "zookeeper.log", _BEGINS, began),
        skipped=tuple(Skipped(transactions[at].zxid) for at in sorted(skipped)),
        explained=explained,
        notes=tuple(notes),
        hexadecimal=True,
    )


def _gaps(transactions: Sequence[Transaction], agreed: Collection[int]) -> dict[int, int]:
    """Where something is missing: how many transactions, by the zxid before which they should stand.

    Zxids of an epoch have no gaps. What is missing at the end of an epoch is seen in the other servers' logs.
    """
    have = {one.zxid for one in transactions}
    if not have:
        return {}
    missing = {zxid for zxid in agreed if zxid not in have and zxid < max(have)}
    last = 0
    for one in transactions:
        same = one.zxid >> _EPOCH == last >> _EPOCH
        expected = last + 1 if same else (one.zxid >> _EPOCH << _EPOCH) + 1
        # A log that begins late counts from the first transaction of its epoch.
        missing.update(range(expected, min(one.zxid, expected + _GAP_MAX)))
        last = one.zxid
    gaps: dict[int, int] = {}
    zxids = sorted(have)
    at = 0
    for zxid in sorted(missing):
        while zxids[at] < zxid:
            at += 1
        gaps[zxids[at]] = gaps.get(zxids[at], 0) + 1
    return gaps


_GAP_MAX: Final = 1_000_000


def _bases(pictures: Mapping[str, bytes], wanted: bool) -> tuple[dict[int, dict[str, Znode]], list[str]]:  # noqa: FBT001
    """The snapshots by zxid, where they are needed, and what cannot be read of them."""
    found: dict[int, dict[str, Znode]] = {}
    unread = []
    for name, content in pictures.items() if wanted else ():
        try:
            found[txnlog.first_zxid(name)] = snapshots.read(content)
        except JuteError as error:
            unread.append(f"its {name} cannot be read: {error}")
    return found, unread


def _compared(dump: NodeDump) -> dict[str, list[Any]]:
    """The state of a server without what is local to it."""
    return {
        path: node
        for path, node in dump.contents.items()
        if path != LOCAL and not path.startswith(f"{LOCAL}/")
    }


def _entries(transactions: Sequence[Transaction], replayed: Replay, *, known: bool) -> tuple[LogEntry, ...]:
    """The entries with their effects; without `known`, nothing of what the replay says is sure."""
    found = []
    for one, changed in zip(transactions, replayed.changed, strict=True):
        asks = _asked(one)
        did = bool(changed)
        found.append(
            LogEntry(
                one.zxid,
                one.zxid >> _EPOCH,
                one.action,
                asks=asks,
                changes=asks if did else (),
                revision=one.zxid if did else None,
                refused=one.refused,
                sure=known and changed is not None and one.known,
                replayed=changed is not None,
            )
        )
    return tuple(found)


def _asked(transaction: Transaction) -> tuple[Change, ...]:
    """The changes in the words of the client (`harness/systems/zookeeper/client`)."""
    found = []
    for step in transaction.steps:
        match step:
            case Create(path, data) | SetData(path, data):
                found.append(change_of(path, data))
            case Delete(path):
                found.append(change_of(path, None))
            case _:
                pass
    return tuple(found)


def change_of(path: str, data: bytes | None) -> Change:
    """A changed node in the words of the client that changed it."""
    if not path.startswith(f"{ROOT}/"):
        return Change("", path, value_of(data or None))
    space, _, rest = path.removeprefix(f"{ROOT}/").partition("/")
    if space in _NESTED:
        rest = rest.partition("/")[0]
    return Change(space, rest, value_of(data or None))


# Of these every element has a node below that of the whole.
_NESTED: Final = frozenset({"set", "queue"})
