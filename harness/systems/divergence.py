"""Whether nodes that have applied the same hold the same: the last check of a run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, Final

import msgspec

from quorate.harness.core.system import NodeDump

_MOST = 20


class Difference(msgspec.Struct, frozen=True):
    """Two nodes at one position that disagree on a key; None stands for a key that is not there."""

    key: str
    position: int
    first: str
    second: str
    of_first: Any
    of_second: Any


class Comparison(msgspec.Struct, frozen=True):
    """What dumps show: differences (at most 20), which nodes were comparable at all, and why others were not."""

    differences: tuple[Difference, ...]
    compared: tuple[str, ...]
    not_compared: dict[str, str]


# Why a dump that was read while its node went on applying has no position.
MOVED: Final = "it went on applying while it was read"


def settled(dumps: Sequence[NodeDump]) -> bool:
    """Whether all nodes that answer are at one position, and none moved on while it was read."""
    positions = {each.position for each in dumps if each.error is None}
    return len(positions) <= 1 and not any(each.error == MOVED for each in dumps)


def compare(dumps: Sequence[NodeDump]) -> Comparison:
    """Compare every two nodes at equal positions; silent or alone at its position is unknown, not different."""
    known = [each for each in dumps if each.error is None]
    different: list[Difference] = []
    compared: set[str] = set()
    for first, second in combinations(known, 2):
        if first.position is None or first.position != second.position:
            continue
        compared |= {first.node, second.node}
        for key in sorted(first.contents.keys() | second.contents.keys()):
            one, other = first.contents.get(key), second.contents.get(key)
            if one != other and len(different) < _MOST:
                different.append(Difference(key, first.position, first.node, second.node, one, other))
    not_compared = {each.node: each.error for each in dumps if each.error is not None}
    for each in known:
        if each.node not in compared:
            not_compared[each.node] = f"no other node is at its position {each.position}"
    return Comparison(tuple(different), tuple(sorted(compared)), not_compared)
