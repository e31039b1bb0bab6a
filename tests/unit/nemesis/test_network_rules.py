"""What is sent to the packet filter: quorate's own table only."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from quorate.harness.cluster import kernel
from quorate.harness.cluster.network import rules, script
from quorate.harness.cluster.network.expressions import Family
from quorate.harness.cluster.network.nftables import Firewall
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken


class Named:
    def __init__(self, name: str, address: str) -> None:
        self.name, self.address = name, address


NODES: list[Node] = [Named(f"n{number}", f"198.18.0.{number}") for number in (1, 2, 3)]  # type: ignore[misc]
TEXTS = [
    script.put(rules.cut(["198.18.0.1"])),
    script.put(rules.cut([])),
    script.put(rules.loss(["198.18.0.1"], 0.5)),
    script.put(rules.alone(["198.18.0.1"])),
    script.put(rules.on_ports(["198.18.0.1"], [8300])),
    script.remove(rules.CUT_TABLE),
    script.remove(script.PROBE_TABLE),
    script.count(rules.LOSS_TABLE, reset=True),
    script.count_probes({"from_0": "198.18.0.1"}, 47009),
    script.list_probes(),
]
OWN = {rules.CUT_TABLE, rules.ALONE_TABLE, rules.PORTS_TABLE, rules.LOSS_TABLE, script.PROBE_TABLE}


@pytest.mark.parametrize("text", TEXTS)
def test_no_foreign_table_is_named_and_nothing_foreign_is_flushed(text: str):
    assert "flush" not in text
    tables = re.findall(r"(?:table|set|element|chain|counter) inet (\w+)", text)
    assert tables
    assert set(tables) <= OWN


def test_a_share_of_packets_is_dropped_by_chance_and_all_without():
    assert "numgen random mod 10000 < 2500 " in script.put(rules.loss(["198.18.0.1"], 0.25))
    assert "numgen" not in script.put(rules.loss(["198.18.0.1"], 1.0))


@pytest.fixture
def netns(tmp_path: Path) -> Iterator[str]:
    """Return the path of a network namespace of the test's own."""
    path = tmp_path / "netns"
    try:
        kernel.make_netns(path, lambda: None)
    except OSError as error:
        pytest.skip(f"no network namespace can be made here: {error}")
    try:
        yield str(path)
    finally:
        kernel.unmount(str(path))


@pytest.mark.skipif(shutil.which("nft") is None, reason="needs the program nft to read the rules back")
@pytest.mark.parametrize(
    "drop",
    [
        rules.cut([]),
        rules.cut(["198.18.0.2", "198.18.0.3"]),
        rules.loss(["198.18.0.1"], 0.25),
        rules.loss(["198.18.0.1"], 1),
        rules.alone(["198.18.0.1", "198.18.0.3"]),
        rules.on_ports(["198.18.0.2"], [8301, 8300]),
    ],
)
def test_the_kernel_is_told_by_netlink_what_nft_would_tell_it(netns: str, drop: rules.Drop):
    ours, theirs = Firewall(netns), ["nsenter", f"--net={netns}", "nft"]
    ours.put(drop)
    by_netlink = subprocess.check_output([*theirs, "list", "ruleset"])
    ours.remove(drop.table)
    assert not subprocess.check_output([*theirs, "list", "ruleset"])
    subprocess.run([*theirs, "-f", "-"], input=script.put(drop).encode(), check=True)
    assert subprocess.check_output([*theirs, "list", "ruleset"]) == by_netlink


def test_tables_come_go_change_and_count(netns: str):
    firewall = Firewall(netns)
    firewall.put(rules.cut(["198.18.0.2"]))
    firewall.put(rules.cut(["198.18.0.2"]))  # made anew, not twice
    firewall.change(rules.cut([]))
    assert firewall.count(rules.CUT_TABLE, reset=True) == 0
    firewall.hold(rules.hold(["198.18.0.2"], 7, 0x51))
    assert firewall.has(rules.QUEUE_TABLE, Family.IPV4)
    for _ in range(2):
        firewall.remove(rules.QUEUE_TABLE, Family.IPV4)
        firewall.remove(rules.CUT_TABLE)
    assert not firewall.has(rules.CUT_TABLE)
    assert not firewall.has(rules.QUEUE_TABLE, Family.IPV4)
    with pytest.raises(Broken, match="No such file"):
        firewall.change(rules.cut(["198.18.0.2"]))
    firewall.put(rules.cut(["198.18.0.2"]))  # the socket is none the worse for a refusal
    assert firewall.has(rules.CUT_TABLE)


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
