"""Shapes of partitions: who hears whom no longer, as directed pairs of node names.

After Jepsen's grudges (jepsen.nemesis: bisect, bridge, majorities-ring), with one-way cuts as separate shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

Pair = tuple[str, str]


class Grudge(msgspec.Struct, frozen=True):
    """The directed pairs that are dead, and the nodes that suffer from it: those cut from a majority, or all."""

    pairs: frozenset[Pair]
    nodes: tuple[str, ...]


def _two_way(pairs: Iterable[Pair]) -> frozenset[Pair]:
    return frozenset(pair for one, other in pairs for pair in ((one, other), (other, one)))


def split(side: Sequence[str], rest: Sequence[str]) -> Grudge:
    """Two sides that hear nothing of each other; the smaller one suffers."""
    smaller = side if len(side) <= len(rest) else rest
    return Grudge(_two_way((one, other) for one in side for other in rest), tuple(smaller))


def isolate(order: Sequence[str]) -> Grudge:
    """The first node alone."""
    return split(order[:1], order[1:])


def minority(order: Sequence[str]) -> Grudge:
    """The largest minority against the rest; the first node is in the minority."""
    size = (len(order) - 1) // 2
    return split(order[:size], order[size:])


def halves(order: Sequence[str]) -> Grudge:
    """Two halves: without any majority where the number is even."""
    size = len(order) // 2
    grudge = split(order[:size], order[size:])
    return Grudge(grudge.pairs, tuple(order)) if len(order) % 2 == 0 else grudge


def shatter(order: Sequence[str]) -> Grudge:
    """Every node alone."""
    pairs = frozenset((one, other) for one in order for other in order if one != other)
    return Grudge(pairs, tuple(order))


def bridge(order: Sequence[str]) -> Grudge:
    """Two sides that hear nothing of each other, and one node between them that hears all."""
    size = (len(order) - 1) // 2
    left, right = order[1 : 1 + size], order[1 + size :]
    return Grudge(_two_way((one, other) for one in left for other in right), tuple(order[1:]))


def majorities_ring(order: Sequence[str]) -> Grudge:
    """Every node hears a majority, and no two hear the same one: each its nearest neighbours on a ring.

    Three nodes make no such ring; the caller asks for at least four.
    """
    count = len(order)
    reach = -(-(count // 2) // 2)  # on each side: with oneself that is at least a majority
    far = [
        (order[one], order[other])
        for one in range(count)
        for other in range(one + 1, count)
        if min(other - one, count - other + one) > reach
    ]
    return Grudge(_two_way(far), tuple(order))


def deaf(order: Sequence[str]) -> Grudge:
    """The first node hears no other, but all hear it."""
    return Grudge(frozenset((other, order[0]) for other in order[1:]), (order[0],))


def mute(order: Sequence[str]) -> Grudge:
    """No node hears the first, but it hears all."""
    return Grudge(frozenset((order[0], other) for other in order[1:]), (order[0],))


def link(order: Sequence[str]) -> Grudge:
    """One link is dead both ways; both ends reach everybody else."""
    return Grudge(_two_way([(order[0], order[1])]), tuple(order[:2]))


def one_way_link(order: Sequence[str]) -> Grudge:
    """One link is dead in one direction."""
    return Grudge(frozenset([(order[0], order[1])]), tuple(order[:2]))


class Shape(msgspec.Struct, frozen=True):
    """How a target of the partition fault is made, and the fewest nodes that it needs.

    A shape with `led` puts the leader first in the order, so that the shape falls on it.
    """

    make: Callable[[Sequence[str]], Grudge]
    least: int
    led: bool
    about: str


SHAPES: Final[Mapping[str, Shape]] = {
    "leader": Shape(isolate, 2, led=True, about="the leader alone"),
    "majority": Shape(minority, 3, led=False, about="a minority against the majority"),
    "one": Shape(isolate, 2, led=False, about="one node alone"),
    "leader-minority": Shape(minority, 3, led=True, about="the leader with a minority"),
    "halves": Shape(halves, 2, led=False, about="two halves"),
    "bridge": Shape(bridge, 3, led=False, about="two sides joined by one node"),
    "majorities-ring": Shape(majorities_ring, 4, led=False, about="each node hears another majority"),
    "deaf": Shape(deaf, 2, led=False, about="one node receives nothing"),
    "mute": Shape(mute, 2, led=False, about="no node receives from one node"),
    "leader-deaf": Shape(deaf, 2, led=True, about="the leader receives nothing"),
    "leader-mute": Shape(mute, 2, led=True, about="no node receives from the leader"),
    "link": Shape(link, 2, led=False, about="one link is dead both ways"),
    "link-one-way": Shape(one_way_link, 2, led=False, about="one link is dead in one direction"),
    "all": Shape(shatter, 2, led=False, about="every node alone"),
}
# Other names for the same, and names for a choice between several.
ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "minority": ("majority",),
    "one-way": ("deaf", "mute"),
    "leader-one-way": ("leader-deaf", "leader-mute"),
}
