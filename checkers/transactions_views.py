"""Is there any consistent view? Both orders of every two writes whose order is unknown (Adya's PL-2+).

For a G-single that is not a circle of known dependencies: whichever of two writes came first, some transaction saw a
part of what another did and missed the rest. An order that gives such a circle is not the right one, so the other is;
where neither is left, no order of the versions explains the history. Shares no code with the engine.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final

from quorate.checkers.transactions_proofs import misses, overwrites, sees
from quorate.checkers.transactions_story import Story, TooLargeError, Txn

_TXNS_MAX: Final = 150

Edge = tuple[int, int]
# What follows from one order of two writes: what flows, and what is missed.
Side = tuple[Sequence[Edge], Sequence[Edge]]


def no_view(story: Story, deadline: float) -> bool:
    """Whether every order of the versions gives a circle with at most one missed write.

    Raises `TooLargeError` where that would take too long.
    """
    txns = [txn for txn in story.txns.values() if story.happened(txn)]
    if len(txns) > _TXNS_MAX:
        msg = f"both orders of the writes of {len(txns)} transactions are too much to try"
        raise TooLargeError(msg)
    flow, missed = _known(story, txns)
    pairs = list(_pairs(story, txns))
    while _holds(len(txns), flow, missed):
        settled: list[Side] = []
        left = []
        for sides in pairs:
            if time.monotonic() > deadline:
                msg = "trying both orders of the writes took longer than the time given"
                raise TooLargeError(msg)
            fits = [side for side in sides if _holds(len(txns), [*flow, *side[0]], [*missed, *side[1]])]
            match fits:
                case []:
                    return True
                case [one]:
                    settled.append(one)
                case _:
                    left.append(sides)
        if not settled:
            return False
        for side in settled:
            flow += side[0]
            missed += side[1]
        pairs = left
    return True


def _known(story: Story, txns: Sequence[Txn]) -> tuple[list[Edge], list[Edge]]:
    flow: list[Edge] = []
    missed: list[Edge] = []
    for at, one in enumerate(txns):
        for place, other in enumerate(txns):
            if any(mop.f == "r" and sees(story, other, mop, one) for mop in other.mops):
                flow.append((at, place))
            if any(overwrites(story, mop.key, one, other) for mop in one.mops if mop.f == "w"):
                flow.append((at, place))
            if any(mop.f == "r" and misses(story, one, mop, other) for mop in one.mops):
                missed.append((at, place))
    return flow, missed


def _pairs(story: Story, txns: Sequence[Txn]) -> list[tuple[Side, Side]]:
    keys: dict[Any, list[int]] = {}
    for at, txn in enumerate(txns):
        for key in {mop.key for mop in txn.mops if mop.f == "w"}:
            keys.setdefault(key, []).append(at)
    return [
        (_side(story, txns, key, one, other), _side(story, txns, key, other, one))
        for key, writers in keys.items()
        for one, other in combinations(writers, 2)
        if not overwrites(story, key, txns[one], txns[other])
        and not overwrites(story, key, txns[other], txns[one])
    ]


def _side(story: Story, txns: Sequence[Txn], key: Any, first: int, second: int) -> Side:
    """The second write came later: who read the first one missed it."""
    readers = [
        (at, second)
        for at, txn in enumerate(txns)
        if not story.lists
        and at != second
        and any(sees(story, txn, mop, txns[first]) for mop in txn.reads(key))
    ]
    return [(first, second)], readers


def _holds(count: int, flow: Sequence[Edge], missed: Sequence[Edge]) -> bool:
    """Whether no circle has at most one missed write."""
    after = [0] * count
    for one, other in flow:
        after[one] |= 1 << other
    for middle in range(count):
        for node in range(count):
            if after[node] >> middle & 1:
                after[node] |= after[middle]
    return not any(after[node] >> node & 1 for node in range(count)) and not any(
        after[other] >> one & 1 for one, other in missed
    )
