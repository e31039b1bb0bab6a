"""Signals at any moment: the exit code is never an anomaly's, the folder holds what is known, nothing hangs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LONG = (
    "simulated",
    "--rate",
    "0",
    "--clients",
    "50",
    "--time",
    "36000s",
    "--fault-interval",
    "6000s",
    "--seed",
    "3",
)
INTERRUPTED = 130
PATIENCE_S = 60.0
SOME_BYTES = 1000


def begin(store: Path, *words: str) -> subprocess.Popen[str]:
    """Start a run that would take hours of virtual time, and return once clients are asking."""
    process = subprocess.Popen(
        [sys.executable, "-m", "quorate", "test", *LONG, "-f", "partition", "--store", str(store), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        # Once a part of the history is on disk, some of them were answered.
        if any(path.stat().st_size > SOME_BYTES for path in store.glob("*/*/history.jsonl.zst")):
            return process
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    process.kill()
    raise AssertionError("the load did not begin")


def end(process: subprocess.Popen[str], *signals: signal.Signals, pause_s: float = 0.2) -> int:
    for signum in signals:
        process.send_signal(signum)
        time.sleep(pause_s)
    try:
        out, _ = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert "Traceback" not in out
    return process.returncode


def results(store: Path) -> dict:
    return json.loads((store / "latest" / "results.json").read_text())


@pytest.mark.parametrize(
    "signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda signum: signum.name
)
def test_one_signal_ends_early_and_judges(tmp_path, signum):
    assert end(begin(tmp_path), signum) == INTERRUPTED
    found = results(tmp_path)
    assert found["interrupted"]
    assert {guarantee["verdict"] for guarantee in found["guarantees"]} <= {"valid", "unknown"}
    assert found["statistics"]["ok"] > 0


@pytest.mark.parametrize("pause_s", [0.02, 0.5])
def test_two_signals_give_up_what_is_under_way_and_still_write(tmp_path, pause_s):
    assert end(begin(tmp_path), signal.SIGTERM, signal.SIGTERM, pause_s=pause_s) == INTERRUPTED
    assert results(tmp_path)["verdict"] == "unknown"
    assert (tmp_path / "latest" / "report.html").exists()


def test_three_signals_kill(tmp_path):
    assert end(begin(tmp_path), *[signal.SIGINT] * 3, pause_s=0.05) == INTERRUPTED


def test_a_run_killed_in_the_load_is_never_valid(tmp_path):
    """`-f none` has no fault whose absence could show; that the run was cut short is known all the same."""
    process = begin(tmp_path)
    time.sleep(1.0)
    end(process, signal.SIGKILL)
    checked = subprocess.run(
        [sys.executable, "-m", "quorate", "check", str(tmp_path / "latest")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert checked.returncode == 2, checked.stdout + checked.stderr
    assert "phase load" in checked.stdout + checked.stderr
