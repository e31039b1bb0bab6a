"""Clients cut from their servers: which way is dead, what that does to outcomes, and that it is proved and healed."""

from __future__ import annotations

from random import Random

import pytest

from quorate import Test, run
from quorate.harness.cluster.network.clients import CLIENTS, ways
from quorate.harness.core.fault import Plan, make
from quorate.harness.core.test import UsageError
from quorate.harness.history import History
from quorate.harness.systems.simulated.cluster import SimulatedNetwork
from quorate.nemesis.clients import WAYS, _cut


def results(tmp_path, way):
    test = Test(
        system="simulated",
        faults=("client-partition:leader",),
        time=20.0,
        rate=100.0,
        fault_interval=3.0,
        seed=4,
        store=str(tmp_path),
        settings={"client-partition.way": way, "pinning": "all", "read_share": "0.1", "cas_share": "0"},
    )
    return run(test).results


@pytest.mark.parametrize("way", WAYS)
def test_each_way_is_proved_and_healed_and_nothing_is_violated(tmp_path, way):
    found = results(tmp_path, way)
    assert found.verdict == "valid", found.reason
    for row in found.faults:
        assert row.outcome == "ok"
        assert row.detail["way"] == way
        assert row.proof.data["dead"] == (2 if way == "both" else 1)
        assert row.proof.data["probed"] == 6
        assert row.healed_proof.data["dead"] == 0
    assert found.statistics.by_function["write"].info > 5
    assert len(found.leaders) == 1  # the servers reach each other: no other is elected


def test_requests_that_are_lost_are_not_done_and_those_whose_answer_is_lost_are(tmp_path):
    writes, versions = {}, {}
    for way in ("requests", "answers"):
        found = results(tmp_path / way, way)
        folder = next((tmp_path / way).glob("*/*/history*")).parent
        replies = [one.completion for one in History.read(folder).operations() if one.completion is not None]
        writes[way] = found.statistics.by_function["write"].ok
        versions[way] = max(reply.version or 0 for reply in replies)
    assert versions["answers"] - writes["answers"] > versions["requests"] - writes["requests"] + 5


@pytest.mark.parametrize(
    ("way", "cut"),
    [
        ("both", {(CLIENTS, "n1"), ("n1", CLIENTS)}),
        ("requests", {(CLIENTS, "n1")}),
        ("answers", {("n1", CLIENTS)}),
    ],
)
def test_which_way_is_which(way, cut):
    assert _cut(Plan("client-partition", "one", ("n1",), {"way": way})) == cut
    assert cut <= set(ways(["n1", "n2"]))


def test_a_way_that_is_unknown_is_refused():
    with pytest.raises(UsageError, match="way=sideways"):
        make("client-partition", {"client-partition.way": "sideways"})


def test_the_simulated_network_has_clients():
    assert SimulatedNetwork(Random(1)).client_ways is not None
