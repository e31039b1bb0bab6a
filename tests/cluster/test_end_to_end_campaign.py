"""The runs of a campaign on the same containers: taken over wiped, never while in use, gone at the end."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quorate.harness.cluster import make_cluster, new_run_id, slots, sweep
from quorate.harness.cluster.docker import engine
from quorate.harness.cluster.factory import engine_answers
from quorate.harness.cluster.traces import traces_of

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]
FILE = """
name = "pair"
seed = 4
[defaults]
system = "etcd@3.5.16"
workload = "register"
cluster = "docker"
time = "3s"
fault_interval = "0.5s"
[matrix]
faults = ["partition", "kill"]
"""
DIES = """
import asyncio, os, sys
from quorate.harness.cluster import make_cluster, new_run_id, slots
async def live():
    cluster = make_cluster("docker", run_id=new_run_id(), count=1)
    await cluster.up()
    if sys.argv[1] == "parked":
        await cluster.down()
    print(cluster.run_id, flush=True)
    os.kill(os.getpid(), 9)
with slots.campaign():
    os.environ.update(slots.environment(0))
    asyncio.run(live())
"""


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not engine_answers():
        pytest.skip("no Docker engine answers: start dockerd to run this")
    monkeypatch.setenv("QUORATE_STATE_DIR", str(tmp_path / "state"))  # never sweep another user's runs here
    monkeypatch.delenv(slots.CAMPAIGN_VARIABLE, raising=False)


@pytest.fixture
def in_slot(monkeypatch: pytest.MonkeyPatch):
    with slots.campaign():
        for name, value in slots.environment(0).items():
            monkeypatch.setenv(name, value)
        yield


def containers() -> dict[str, str]:
    """Name to id of the containers recorded in this test's own state directory."""
    wanted = {"label": f"{engine.STATE_LABEL}={os.environ['QUORATE_STATE_DIR']}"}
    found = engine.connect().containers(all=True, filters=wanted)
    return {one["Names"][0].lstrip("/"): one["Id"] for one in found}


def test_the_second_run_of_a_campaign_starts_on_the_containers_of_the_first(tmp_path: Path) -> None:
    (tmp_path / "pair.toml").write_text(FILE)
    command = [sys.executable, "-m", "quorate", "campaign", str(tmp_path / "pair.toml")]
    done = subprocess.run(
        [*command, "--store", str(tmp_path / "store")],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tests = [json.loads(path.read_text()) for path in (tmp_path / "store").rglob("test.json")]
    first, second = sorted((test for test in tests if "conducted" in test), key=lambda test: test["started"])
    assert first["run_id"] == second["run_id"]  # the label of the containers
    times = [test["conducted"]["timings_s"] for test in (first, second)]
    assert times[1]["cluster"] < times[0]["cluster"]
    assert times[1]["ready"] < 3, times
    assert containers() == {}
    assert traces_of(first["run_id"]) == []


def test_what_is_taken_over_is_wiped_and_what_does_not_fit_is_removed(in_slot, tmp_path: Path) -> None:
    async def go() -> None:
        first = make_cluster("docker", run_id=new_run_id(), count=2)
        await first.up()
        node = first.nodes[0]
        (tmp_path / "data").write_text("old")
        await node.put(tmp_path / "data", f"{node.directory}/deep/data")
        await first.network.cut(frozenset({("n1", "n2")}))
        before = containers()
        await first.down()
        assert containers() == before  # parked
        assert sweep() == []  # and only its own to remove

        second = make_cluster("docker", run_id=new_run_id(), count=2)
        await second.up()
        assert containers() == before
        assert (await second.nodes[0].run(["find", second.nodes[0].directory, "-type", "f"])).stdout == ""
        assert await second.network.probe([("n1", "n2"), ("n2", "n1")]) == {
            ("n1", "n2"): True,
            ("n2", "n1"): True,
        }
        third = make_cluster("docker", run_id=new_run_id(), count=2)
        await third.up()  # the slot's cluster is in use
        assert third.run_id != second.run_id
        await third.down()
        await second.down()

        smaller = make_cluster("docker", run_id=new_run_id(), count=1)
        await smaller.up()
        assert smaller.run_id not in (first.run_id, second.run_id)
        await smaller.down()

    asyncio.run(go())
    assert not set(containers()) & {f"{name}-n2" for name in containers()}


def test_nodes_that_a_fault_has_left_changed_are_not_handed_on(in_slot) -> None:
    async def go() -> None:
        cluster = make_cluster("docker", run_id=new_run_id(), count=1, force_exec=True)
        await cluster.up()
        await cluster.nodes[0].run(["nft", "add", "table", "inet", "forgotten"])
        await cluster.down()

    asyncio.run(go())
    assert containers() == {}


@pytest.mark.parametrize("when", ["parked", "in use"])
def test_a_campaign_that_was_killed_leaves_nothing_after_the_next_sweep(when: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIES, when],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    run_id = done.stdout.strip()
    assert f"{run_id}-n1" in containers(), done.stderr
    assert f"{run_id}: removed 1 container, 1 network" in sweep()  # beside the campaign itself
    assert containers() == {}
    assert traces_of(run_id) == []
