"""What is sent to the packet filter: quorate's own table and nothing else."""

from __future__ import annotations

import re

import pytest

from quorate.harness.cluster.network import rules
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken


class Named:
    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address


NODES: list[Node] = [Named(f"n{number}", f"198.18.0.{number}") for number in (1, 2, 3)]  # type: ignore[misc]
TEXTS = [
    rules.cut(["198.18.0.1"]),
    rules.cut([]),
    rules.change(["198.18.0.1"]),
    rules.change([]),
    rules.HEAL,
    rules.END_PROBE,
    rules.count_probes({"from_0": "198.18.0.1"}, 47009),
]


@pytest.mark.parametrize("text", TEXTS)
def test_no_foreign_table_is_named_and_nothing_foreign_is_flushed(text: str):
    assert "flush ruleset" not in text
    assert "flush table" not in text
    tables = re.findall(r"(?:table|set|element|chain) (inet \w+)", text)
    assert tables
    assert set(tables) <= {rules.TABLE, rules.PROBE_TABLE}


def test_a_direction_is_cut_at_its_target_only():
    assert rules.deaf_to(NODES, [("n1", "n2"), ("n3", "n2")]) == {
        "n1": [],
        "n2": ["198.18.0.1", "198.18.0.3"],
        "n3": [],
    }


@pytest.mark.parametrize("pair", [("n1", "n9"), ("n9", "n1"), ("n1", "n1")])
def test_a_cut_of_strangers_is_refused(pair: tuple[str, str]):
    with pytest.raises(Broken, match="cannot cut"):
        rules.deaf_to(NODES, [pair])
