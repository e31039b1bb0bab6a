"""A persistent array: a tuple of tuples, so that replacing one of a thousand members copies only sixty-four."""

from __future__ import annotations

from typing import Final, TypeAlias, TypeVar

T = TypeVar("T")
Slots: TypeAlias = tuple[tuple[T, ...], ...]
_BITS: Final = 5
_WIDTH: Final = 1 << _BITS


def filled(count: int, member: T) -> Slots[T]:
    """Return an array of at least `count` times the same member."""
    chunk = (member,) * _WIDTH
    return (chunk,) * ((count + _WIDTH - 1) >> _BITS)


def get(slots: Slots[T], i: int) -> T:
    """Return the i-th member."""
    return slots[i >> _BITS][i & (_WIDTH - 1)]


def put(slots: Slots[T], i: int, member: T) -> Slots[T]:
    """Return the array with the i-th member replaced."""
    high, low = i >> _BITS, i & (_WIDTH - 1)
    chunk = slots[high]
    return (*slots[:high], (*chunk[:low], member, *chunk[low + 1 :]), *slots[high + 1 :])
