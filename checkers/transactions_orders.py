"""Is there any order at all? Every way to order the writes of a few transactions, one after the other.

For anomalies that are not a circle of known dependencies: "no order explains every read" (serializable and its session
and real-time variants), and "neither of two writers can have been first" (snapshot isolation). A polygraph
(Papadimitriou, "The serializability of concurrent database updates", JACM 1979): known edges, and choices of which one
edge must hold. Choices with one way left are taken, then one is tried both ways. Shares no code with the engine.

Any part of the transactions may be looked at: an order of all gives an order of these, in which whoever read from
one of them still does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from quorate.checkers.transactions_story import NULL, Story, TooLargeError, Txn

# Both ways of a choice are tried this often before the certificate is called too large.
_TRIES_MAX: Final = 20_000
_TXNS_MAX: Final = 400

Edge = tuple[int, int]
Choice = tuple[Edge, Edge]


def contradicts(
    story: Story, txns: Sequence[Txn], *, snapshots: bool, session: bool, real_time: bool, deadline: float
) -> bool:
    """Whether no order of these transactions, all of which happened, explains what they read of each other.

    With `snapshots` each reads at its beginning and writes at its end, and of two that write one key the one has ended
    when the other begins. Raises `TooLargeError` where that cannot be found out.
    """
    if len(txns) > _TXNS_MAX:
        msg = f"an order of {len(txns)} transactions is too much to look for"
        raise TooLargeError(msg)
    order = _Order(2 * len(txns), deadline)
    begin = {txn.index: at * 2 for at, txn in enumerate(txns)}
    end = {index: at + snapshots for index, at in begin.items()}
    known = [(begin[index], end[index]) for index in begin if snapshots]
    known += [
        (end[one.index], begin[other.index])
        for one in txns
        for other in txns
        if one.index != other.index and before(story, one, other, session=session, real_time=real_time)
    ]
    choices: list[Choice] = []
    for reader in txns:
        for mop in reader.mops:
            if mop.f == "r" and not _reads(story, reader, mop, (begin, end), known, choices):
                return True
    if snapshots:
        choices += _apart(txns, begin, end)
    return not order.exists(known, choices)


def before(story: Story, one: Txn, other: Txn, *, session: bool, real_time: bool) -> bool:
    """Whether the first had returned before the second was invoked, by the same client or by anybody's clock."""
    if one.outcome != "ok" or one.ret < 0:
        return False
    if session and one.process == other.process:
        return one.ret < other.call
    return real_time and (one.ret < other.call if story.timeless else one.ended < other.begun)


def _reads(
    story: Story,
    reader: Txn,
    mop: Any,
    places: tuple[dict[int, int], dict[int, int]],
    known: list[Edge],
    choices: list[Choice],
) -> bool:
    """Add what a read says of the order; False where it cannot be of any."""
    begin, end = places
    others = [
        index
        for index in begin
        if index != reader.index and any(True for _ in story.txns[index].writes(mop.key))
    ]
    me = begin[reader.index]
    if story.lists:
        inside = set(mop.value)
        for index in others:
            own = {one.value for one in story.txns[index].writes(mop.key)}
            if any(story.writer(mop.key, value) is None for value in own):
                continue
            known.append((end[index], me) if own <= inside else (me, end[index]))
            if own & inside and not own <= inside:
                return False
        return True
    if mop.value == NULL:
        if story.untouched(mop.key) and not any(one.at < mop.at for one in reader.writes(mop.key)):
            known.extend((me, end[index]) for index in others)
        return True
    owner = story.writer(mop.key, mop.value)
    if owner is None or owner[0].index not in begin or owner[0].index == reader.index:
        return True
    source = owner[0].index
    if owner[0].writes(mop.key)[-1].at != owner[1].at:
        return False
    known.append((end[source], me))
    choices += [((end[index], end[source]), (me, end[index])) for index in others if index != source]
    return True


def _apart(txns: Sequence[Txn], begin: dict[int, int], end: dict[int, int]) -> list[Choice]:
    """Of two that write one key, one ends before the other begins."""
    keys = [{mop.key for mop in txn.mops if mop.f == "w"} for txn in txns]
    return [
        ((end[one.index], begin[other.index]), (end[other.index], begin[one.index]))
        for at, one in enumerate(txns)
        for place, other in enumerate(txns[:at])
        if keys[at] & keys[place]
    ]


class _Order:
    """Looks for an order that keeps known edges and one edge of each choice."""

    def __init__(self, nodes: int, deadline: float) -> None:
        self.nodes = nodes
        self.deadline = deadline
        self.tries = 0

    def exists(self, known: Sequence[Edge], choices: Sequence[Choice]) -> bool:
        """Whether there is one: a depth-first search over choices, each node's successors a set of bits."""
        todo: list[tuple[list[int], list[Edge], list[Choice]]] = [
            ([0] * self.nodes, list(known), list(choices))
        ]
        while todo:
            self.tries += 1
            if self.tries > _TRIES_MAX or time.monotonic() > self.deadline:
                msg = "there are too many ways to order the writes to try all of them"
                raise TooLargeError(msg)
            after, edges, open_choices = todo.pop()
            left = self._settle(after, edges, open_choices)
            if left is None:
                continue
            if not left:
                return True
            first, second = left[-1]
            todo += [(after[:], [first], left[:-1]), (after[:], [second], left[:-1])]
        return False

    def _settle(self, after: list[int], edges: list[Edge], choices: list[Choice]) -> list[Choice] | None:
        """Take in edges and what follows from them; what is left to choose, None where they contradict."""
        while True:
            for one, other in edges:
                if not self._add(after, one, other):
                    return None
            edges, left = [], []
            for first, second in choices:
                if _has(after, first) or _has(after, second):
                    continue
                bad = [_has(after, (to, at)) or at == to for at, to in (first, second)]
                if all(bad):
                    return None
                if any(bad):
                    edges.append(second if bad[0] else first)
                else:
                    left.append((first, second))
            choices = left
            if not edges:
                return left

    def _add(self, after: list[int], one: int, other: int) -> bool:
        if one == other or after[other] >> one & 1:
            return False
        new = after[other] | 1 << other
        for node in range(self.nodes):
            if node == one or after[node] >> one & 1:
                after[node] |= new
        return True


def _has(after: list[int], edge: Edge) -> bool:
    return bool(after[edge[0]] >> edge[1] & 1)
