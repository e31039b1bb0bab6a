"""A campaign on a Dask cluster of real processes, one worker killed in the midst."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs pip install 'quorate[dask]'")

CAMPAIGN = """
name = "far"
[defaults]
system = "simulated"
time = "4s"
faults = "partition"
fault_interval = "1s"
[matrix]
workload = ["register", "set", "queue"]
clients = [5, 6]
"""


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(condition, what, limit_s=60.0):
    end = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < end, f"waited {limit_s} s for {what}"
        time.sleep(0.02)
    return found


def cells(pid):
    """Processes of cells that a worker has started, from whichever of its threads."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return found


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers with one slot each; yields the address and the workers."""
    port = free_port()
    started = []

    def start(folder, *words):
        folder.mkdir()
        log = (folder / "log").open("wb")
        command = [sys.executable, "-m", "dask", *words]
        started.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log))
        return started[-1]

    start(tmp_path / "scheduler", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    workers = [
        start(
            tmp_path / name, "worker", f"tcp://127.0.0.1:{port}", "--no-nanny", "--nthreads", "1",
            "--resources", "cluster=1", "--name", name, "--no-dashboard", "--host", "127.0.0.1",
        )
        for name in ("w1", "w2")
    ]  # fmt: skip
    for name in ("w1", "w2"):
        log = tmp_path / name / "log"
        wait_for(lambda log=log: "Registered to" in log.read_text(), f"{name} to register")
    yield f"dask://127.0.0.1:{port}", workers
    for process in started:
        process.kill()
        process.wait()


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def quorate(folder, *words):
    return subprocess.run(
        [sys.executable, "-m", "quorate", *map(str, words)],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_a_lost_workers_cell_is_run_elsewhere_and_histories_come_when_asked_for(cluster, tmp_path):
    address, (first, second) = cluster
    home = tmp_path / "home"
    home.mkdir()
    (home / "c.toml").write_text(CAMPAIGN)
    with subprocess.Popen(
        [sys.executable, "-m", "quorate", "campaign", "c.toml", "--on", address, "--json"],
        cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        lost = wait_for(lambda: cells(first.pid) if cells(second.pid) else [], "a cell on both workers")
        os.kill(first.pid, signal.SIGKILL)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    wait_for(lambda: not any(alive(pid) for pid in lost), "the lost worker's cell to end", limit_s=30)
    records = json.loads(out)["cells"]
    assert len(records) == 6
    assert {record["verdict"] for record in records} == {"valid"}
    assert len({(record["workload"], record["command"]) for record in records}) == 6
    # Nothing but records came home.
    assert not list(home.rglob("history.jsonl.zst"))
    kept = list((tmp_path / "w2").rglob("history.jsonl.zst"))
    assert kept
    run = next(record["run"] for record in records if str(tmp_path / "w2") in record["run"])
    fetched = quorate(home, "report", run, "--on", address)
    assert fetched.returncode == 0, fetched.stderr
    html = home / fetched.stdout.strip()
    assert html.exists()
    assert str(home / "store") in str(html.resolve())
    assert quorate(home, "check", html.parent).returncode == 0
    gone = quorate(home, "report", run + "x", "--on", address)
    assert gone.returncode == 3
    assert "cannot fetch" in gone.stderr


def test_no_scheduler_and_a_wrong_address_are_told(tmp_path):
    (tmp_path / "c.toml").write_text(CAMPAIGN)
    silent = quorate(tmp_path, "campaign", "c.toml", "--on", f"dask://127.0.0.1:{free_port()}")
    assert silent.returncode == 3
    assert "no Dask scheduler answers" in silent.stderr
    wrong = quorate(tmp_path, "campaign", "c.toml", "--on", "127.0.0.1:8786")
    assert wrong.returncode == 4
    assert "dask://HOST:PORT" in wrong.stderr
