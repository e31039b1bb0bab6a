"""Replays a server's log, from nothing or from a snapshot behind a gap, and finds what it never applied.

A transaction that a server has in its log and never applied is found from the nodes in which its state at the end
differs from the replay: of each, the last transaction that made the difference. Only a set of transactions is reported
without which the log gives exactly that state.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec

from quorate.harness.systems.zookeeper.operations.transactions import Transaction
from quorate.harness.systems.zookeeper.operations.tree import Tree, Znode

_TRIES_MAX: Final = 12
_APPLIED_MAX: Final = 1_000_000  # transactions, in all tries: about half a minute
_SKIPPED_MAX: Final = 200

Bases = Mapping[int, Mapping[str, Znode]]
Contents = Mapping[str, list[Any]]


class Replay(msgspec.Struct, frozen=True):
    """The paths that each transaction changed (None: not known, or skipped), and the state up to a position.

    `wrong` is the first zxid after which the tree's digest was not the leader's; `whole` says whether the state at the
    position rests on all that came before it.
    """

    changed: tuple[tuple[str, ...] | None, ...]
    contents: Contents
    wrong: int | None
    whole: bool


def replay(
    transactions: Sequence[Transaction],
    bases: Bases,
    gaps: Collection[int],
    upto: int | None,
    skipped: Collection[int] = (),
) -> Replay:
    """Apply all, but those at the positions in `skipped`; `upto` is the zxid of the state (None: the last).

    At a gap the newest snapshot between its ends is taken as the tree; where there is none, nothing is known behind it.
    """
    tree: Tree | None = Tree()
    changed: list[tuple[str, ...] | None] = []
    contents: Contents | None = None
    whole_there = True
    wrong: int | None = None
    last = 0
    for position, one in enumerate(transactions):
        if upto is not None and contents is None and one.zxid > upto:
            contents, whole_there = _taken(tree)
        if one.zxid in gaps:
            tree = _behind(bases, last, one.zxid)
        last = one.zxid
        if tree is None or position in skipped:
            changed.append(None)
            continue
        changed.append(tuple(tree.apply(one)))
        if wrong is None and not skipped and tree.matches(one) is False:
            wrong = one.zxid
    if contents is None:
        contents, whole_there = _taken(tree)
    return Replay(tuple(changed), contents, wrong, whole_there)


def _taken(tree: Tree | None) -> tuple[Contents, bool]:
    return ({}, False) if tree is None else (tree.dumped(), True)


def _behind(bases: Bases, last: int, first: int) -> Tree | None:
    """The tree of the newest snapshot from `last` up to `first`."""
    zxid = max((zxid for zxid in bases if last <= zxid < first), default=None)
    if zxid is None:
        return None
    return Tree({path: msgspec.structs.replace(node, children=0) for path, node in bases[zxid].items()})


def explain(
    transactions: Sequence[Transaction],
    bases: Bases,
    gaps: Collection[int],
    position: int | None,
    contents: Contents | None,
) -> tuple[Replay, frozenset[int], bool | None]:
    """Replay, and find what was skipped; the third is whether that gives exactly the `contents` at zxid `position`.

    It is None where that cannot be compared: no state, or a log that does not reach back or so far.
    """
    found = replay(transactions, bases, gaps, position)
    reaches = bool(transactions) and position is not None and transactions[-1].zxid >= position
    if contents is None or not reaches or not found.whole:
        return found, frozenset(), None
    whole, skipped = found, frozenset[int]()
    for _ in range(min(_TRIES_MAX, _APPLIED_MAX // len(transactions))):
        if found.contents == contents:
            return found, skipped, True
        more = _suspects(transactions, found, contents, position)
        if not more or len(skipped) + len(more) > _SKIPPED_MAX:
            break
        skipped |= more
        found = replay(transactions, bases, gaps, position, skipped)
    return whole, frozenset(), found.contents == contents if not skipped else False


def _suspects(
    transactions: Sequence[Transaction], found: Replay, contents: Contents, position: int | None
) -> frozenset[int]:
    """The last transaction that changed each node in which the replay differs from the state.

    A parent differs with its children: it accuses nothing while a node that was made, written or removed does.
    """
    differing = {
        path for path in {*contents, *found.contents} if contents.get(path) != found.contents.get(path)
    }
    last: dict[str, int] = {}
    for at, (one, changed) in enumerate(zip(transactions, found.changed, strict=True)):
        if position is not None and one.zxid > position:
            break
        last.update(dict.fromkeys(changed or (), at))
    return frozenset(
        last[path]
        for path in differing
        if path in last and transactions[last[path]].zxid > _written(contents.get(path))
    )


def _written(node: Any) -> int:
    """The zxid of the last write that a node of the state has seen."""
    return int(node[_MZXID]) if isinstance(node, list) else 0


_MZXID: Final = 2
