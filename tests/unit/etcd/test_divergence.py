"""Dumps are compared only where they can be."""

from __future__ import annotations

from quorate.harness.core.system import NodeDump
from quorate.harness.systems.divergence import compare


def test_equal_states_at_equal_positions_agree():
    result = compare([NodeDump("n1", 5, {"a": 1}), NodeDump("n2", 5, {"a": 1})])
    assert not result.differences
    assert result.compared == ("n1", "n2")


def test_a_difference_names_key_nodes_and_both_values():
    result = compare(
        [NodeDump("n1", 5, {"a": 1, "b": 2}), NodeDump("n2", 5, {"a": 1}), NodeDump("n3", 5, {"a": 1})]
    )
    assert [
        (each.key, each.first, each.second, each.of_first, each.of_second) for each in result.differences
    ] == [
        ("b", "n1", "n2", 2, None),
        ("b", "n1", "n3", 2, None),
    ]


def test_other_positions_and_silence_are_unknown_not_different():
    dumps = [NodeDump("n1", 5, {"a": 1}), NodeDump("n2", 6, {"a": 2}), NodeDump("n3", error="timeout")]
    result = compare(dumps)
    assert not result.differences
    assert result.compared == ()
    assert set(result.not_compared) == {"n1", "n2", "n3"}
    assert result.not_compared["n3"] == "timeout"


def test_what_is_shown_has_a_limit():
    many = {str(number): number for number in range(1000)}
    assert len(compare([NodeDump("n1", 5, many), NodeDump("n2", 5, {})]).differences) == 20
