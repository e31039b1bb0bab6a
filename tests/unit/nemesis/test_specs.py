"""What people type after -f: understood, or refused with the nearest match."""

from __future__ import annotations

import pytest

from quorate.harness.core.registry import UnknownNameError
from quorate.harness.core.test import UsageError
from quorate.nemesis import FaultSpec, parse


def test_a_list_with_targets_and_defaults():
    assert parse("partition:leader, kill,pause:n1+n3") == [
        FaultSpec("partition", "leader"),
        FaultSpec("kill", "any"),
        FaultSpec("pause", "n1+n3"),
    ]


@pytest.mark.parametrize("text", ["", "none", " , "])
def test_nothing(text: str):
    assert parse(text) == []


def test_the_same_twice_is_once():
    assert len(parse("kill:one,kill:one,kill:leader")) == 2


@pytest.mark.parametrize(
    ("text", "nodes", "error", "words"),
    [
        ("partiton", 3, UnknownNameError, 'did you mean "partition"'),
        ("partition:leadr", 3, UsageError, 'did you mean "leader"'),
        ("kill:majority", 1, UsageError, "needs at least 2 nodes, the cluster has 1"),
        ("kill:minority", 2, UsageError, "needs at least 3 nodes"),
        ("partition:one", 1, UsageError, "needs at least 2 nodes"),
        ("partition", 1, UsageError, "needs at least 2 nodes"),
        ("partition:majorities-ring", 3, UsageError, "needs at least 4 nodes"),
        ("pause:n4", 3, UsageError, "no node is called n4"),
        ("none,kill", 3, UsageError, "none"),
        ("kill:", 3, UsageError, "write NAME or NAME:TARGET"),
    ],
)
def test_what_cannot_be_is_refused(text: str, nodes: int, error: type[Exception], words: str):
    with pytest.raises(error, match=words):
        parse(text, nodes=nodes)


def test_hosts_of_an_inventory_may_have_any_name():
    assert parse("pause:db-1.example+db-2.example", nodes=3)[0].target == "db-1.example+db-2.example"
