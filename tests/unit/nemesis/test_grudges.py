"""Shapes of partitions: what each promises about who hears whom."""

from __future__ import annotations

import pytest

from quorate.nemesis.grudges import ALIASES, SHAPES, Grudge

COUNTS = range(1, 10)


def order(count: int) -> list[str]:
    return [f"n{number}" for number in range(1, count + 1)]


def heard(grudge: Grudge, names: list[str], name: str) -> set[str]:
    """Everyone whose packets reach the node, itself included."""
    return {other for other in names if (other, name) not in grudge.pairs}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("count", COUNTS)
def test_every_shape_cuts_something_from_its_least_count_on(name: str, count: int):
    shape, names = SHAPES[name], order(count)
    if count < shape.least:
        return
    grudge = shape.make(names)
    assert grudge.pairs
    assert grudge.nodes
    assert all(one != other and {one, other} <= set(names) for one, other in grudge.pairs)
    assert set(grudge.nodes) <= {name for pair in grudge.pairs for name in pair}


@pytest.mark.parametrize("count", range(4, 10))
def test_in_a_majorities_ring_everyone_hears_a_majority_and_no_two_the_same(count: int):
    names = order(count)
    grudge = SHAPES["majorities-ring"].make(names)
    views = [frozenset(heard(grudge, names, name)) for name in names]
    assert all(2 * len(view) > count for view in views)
    assert len(set(views)) == count


@pytest.mark.parametrize("count", range(3, 10))
def test_the_minority_is_the_largest_and_the_rest_keeps_a_majority(count: int):
    names = order(count)
    grudge = SHAPES["majority"].make(names)
    assert len(grudge.nodes) == (count - 1) // 2
    rest = [name for name in names if name not in grudge.nodes]
    assert all(heard(grudge, names, name) == set(rest) for name in rest)
    assert 2 * len(rest) > count


def test_halves_of_an_even_cluster_leave_no_majority():
    names = order(4)
    grudge = SHAPES["halves"].make(names)
    assert all(len(heard(grudge, names, name)) == 2 for name in names)


def test_a_bridge_hears_all_and_joins_two_sides():
    names = order(5)
    grudge = SHAPES["bridge"].make(names)
    assert heard(grudge, names, "n1") == set(names)
    assert heard(grudge, names, "n2") == {"n1", "n2", "n3"}
    assert heard(grudge, names, "n5") == {"n1", "n4", "n5"}


def test_one_way_shapes_are_one_way():
    assert SHAPES["deaf"].make(order(3)).pairs == {("n2", "n1"), ("n3", "n1")}
    assert SHAPES["mute"].make(order(3)).pairs == {("n1", "n2"), ("n1", "n3")}
    assert SHAPES["link-one-way"].make(order(3)).pairs == {("n1", "n2")}


def test_aliases_name_shapes():
    assert {shape for choices in ALIASES.values() for shape in choices} <= set(SHAPES)
