"""The main job on real servers: etcd under partition, kill and pause, and every way in which a run can go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quorate.harness.cluster.factory import engine_answers
from quorate.harness.cluster.traces import traces_of

pytestmark = pytest.mark.cluster

ROOT = os.geteuid() == 0


@pytest.fixture(scope="session")
def docker():
    if not engine_answers():
        pytest.skip("no Docker engine answers: start dockerd to run this")


@pytest.fixture
def local():
    if not ROOT:
        pytest.skip("namespaces of the test's own need root; test_cluster_rootless.py covers users")


def command(*words):
    return [sys.executable, "-m", "quorate", *words]


def quorate(*words, timeout=240, **options):
    return subprocess.run(
        command(*words), capture_output=True, text=True, timeout=timeout, check=False, **options
    )


def results(done):
    assert done.stdout.strip(), done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_id(folder):
    return json.loads((folder / "test.json").read_text())["run_id"]


def latest(store):
    return (store / "latest").resolve()


def short(store, *more):
    return ["test", "etcd", "--time", "10s", "--fault-interval", "2s", "--store", str(store), "--json", *more]


@pytest.mark.parametrize("cluster", ["local", "docker"])
def test_the_main_job_is_valid_with_every_fault_proved_and_nothing_left(tmp_path, request, cluster):
    request.getfixturevalue(cluster)
    done = quorate(*short(tmp_path, "--cluster", cluster, "-f", "partition,kill,pause", "--seed", "5"))
    found = results(done)
    assert (done.returncode, found["verdict"]) == (0, "valid"), found["reason"]
    assert {row["fault"] for row in found["faults"]} == {"partition", "kill", "pause"}
    assert all(row["proof"]["holds"] and row["healed_proof"]["holds"] for row in found["faults"])
    assert found["leaders"], "somebody led"
    assert {path.name for path in (latest(tmp_path) / "nodes").iterdir()} == {"n1", "n2", "n3"}
    assert traces_of(run_id(latest(tmp_path))) == []


def test_serializable_reads_behind_a_cut_leader_are_stale_and_told(tmp_path, local):
    words = ["--cluster", "local", "-f", "partition:leader", "--set", "reads=serializable", "--rate", "400"]
    words += ["--strict"]
    for seed in range(1, 4):
        done = quorate(*short(tmp_path, *words, "--seed", str(seed)))
        found = results(done)
        if found["verdict"] == "invalid":
            break
    assert done.returncode == 1
    anomalies = [one for guarantee in found["guarantees"] for one in guarantee["anomalies"]]
    assert any(one["name"] == "stale read" for one in anomalies), [one["name"] for one in anomalies]
    assert (latest(tmp_path) / "counterexample.jsonl").exists()


def test_ctrl_c_heals_writes_judges_and_leaves_nothing(tmp_path, local):
    words = ["test", "etcd", "--cluster", "local", "--time", "120s", "-f", "pause", "--fault-interval", "2s"]
    process = subprocess.Popen(
        command(*words, "--store", str(tmp_path), "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_for_load(process, tmp_path)
    time.sleep(3)  # into the first fault
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    found = json.loads(out.strip().splitlines()[-1])
    assert found["interrupted"]
    assert found["statistics"]["ok"] > 50
    assert (latest(tmp_path) / "report.html").exists()
    assert traces_of(run_id(latest(tmp_path))) == []


def test_after_a_kill_the_next_clean_leaves_nothing_and_the_history_can_be_judged(tmp_path, local):
    words = ["test", "etcd", "--cluster", "local", "--time", "120s", "-f", "pause", "--fault-interval", "1s"]
    process = subprocess.Popen(
        command(*words, "--store", str(tmp_path)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_for_load(process, tmp_path)
    time.sleep(3)
    process.kill()
    process.communicate(timeout=20)
    assert quorate("clean").returncode == 0
    assert traces_of(run_id(latest(tmp_path))) == []
    judged = quorate("check", str(latest(tmp_path)), "--as", "cas-register", "--json")
    assert results(judged)["verdict"] == "valid"


def _wait_for_load(process, store):
    """Until the history grows: then clients are at work."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()
        sizes = [path.stat().st_size for path in store.glob("*/*/history.jsonl.zst")]
        if sizes and max(sizes) > 1000:
            return
        time.sleep(0.05)
    process.kill()
    raise AssertionError("no load began within a minute")


def test_a_binary_that_is_no_server_is_reported_and_nothing_is_left(tmp_path, local):
    done = quorate(*short(tmp_path, "--cluster", "local", "--set", "binary=/bin/false"))
    assert done.returncode == 3, done.stdout
    assert "binary=/bin/false" in results(done)["reason"]
    assert traces_of(run_id(Path(results(done)["run"]))) == []


def test_a_server_that_does_not_start_is_told_with_the_end_of_its_log(tmp_path, local):
    fake = tmp_path / "etcd"
    fake.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && { echo "etcd Version: 3.7.3"; exit 0; }\necho no luck today\nexit 3\n'
    )
    fake.chmod(0o755)
    done = quorate(*short(tmp_path / "store", "--cluster", "local", "--set", f"binary={fake}"))
    assert done.returncode == 3
    assert "no luck today" in results(done)["reason"]
    assert traces_of(run_id(Path(results(done)["run"]))) == []


def test_without_an_engine_docker_says_what_to_do(tmp_path):
    environment = {**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = quorate(*short(tmp_path, "--cluster", "docker"), env=environment)
    assert done.returncode == 3
    assert "docker" in (done.stdout + done.stderr).lower()


def test_replay_repeats_the_plans_of_the_faults(tmp_path, local):
    first = quorate(*short(tmp_path, "--cluster", "local", "-f", "partition", "--seed", "9"))
    folder = latest(tmp_path)
    again = quorate("replay", str(folder), "--json")
    assert (first.returncode, again.returncode) == (0, 0), again.stderr
    plans = [
        [(row["fault"], row["nodes"], row["detail"]) for row in results(done)["faults"]]
        for done in (first, again)
    ]
    assert plans[0] == plans[1]
    assert plans[0]
