"""Replicas compared: only at equal positions, and silence is never difference."""

from __future__ import annotations

import pytest

from quorate.harness.core.system import NodeDump
from quorate.harness.run.divergence import judge, keep, kept


def dump(node, position=7, error=None, **contents):
    return NodeDump(node, position=position, contents=contents, error=error)


@pytest.mark.parametrize(
    ("dumps", "verdict"),
    [
        ([dump("n1", a=1), dump("n2", a=1), dump("n3", a=1)], "valid"),
        ([dump("n1", a=1), dump("n2", a=2), dump("n3", a=1)], "invalid"),
        ([dump("n1", a=1), dump("n2", a=1, b=2)], "invalid"),
        ([dump("n1", 7, a=1), dump("n2", 8, a=2)], "unknown"),
        ([dump("n1", a=1), dump("n2", None, error="silent")], "unknown"),
        ([dump("n1", a=1), dump("n2", a=1), dump("n3", None, error="silent")], "valid"),
        ([dump("n1", 7, a=1), dump("n2", 7, a=1), dump("n3", 6, a=0)], "valid"),
    ],
)
def test_verdicts(dumps, verdict):
    assert judge(dumps).verdict.value == verdict


def test_one_node_has_nobody_to_agree_with():
    assert judge([dump("n1", a=1)]) is None
    assert judge([]) is None


def test_the_sentence_names_nodes_position_and_key():
    (anomaly,) = judge([dump("n1", 12, k="x"), dump("n2", 12, k="y")]).anomalies
    assert anomaly.sentence == 'n1 and n2 have both applied up to 12, but k is "x" on n1 and "y" on n2'


def test_states_are_kept_in_the_folder_and_a_damaged_one_is_silence(tmp_path):
    keep(tmp_path, [dump("n1", a=1), dump("n2", a=1), dump("n3", a=2)])
    (tmp_path / "nodes" / "n3" / "state.json").write_text("{")
    again = kept(tmp_path)
    assert [one.node for one in again] == ["n1", "n2", "n3"]
    assert again[2].error is not None
    assert judge(again).verdict.value == "valid"
