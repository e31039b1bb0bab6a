"""Plug-ins are other people's code: whatever one does, it is named, costs its own verdict, and never passes a gate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[1] / "data" / "plugins" / "badplug"
UNKNOWN, BROKEN = 2, 3


def quorate(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "quorate", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(PLUGINS)},
    )


def run(store: Path, *words: str) -> subprocess.CompletedProcess[str]:
    common = (
        "--time",
        "3s",
        "--fault-interval",
        "1s",
        "--check-time",
        "1s",
        "--seed",
        "1",
        "--store",
        str(store),
    )
    return quorate("test", "simulated", *words, *common, "--json")


@pytest.mark.parametrize(
    ("name", "exit_code"),
    [
        ("wraise", BROKEN),
        ("wimport", BROKEN),
        ("wnone", BROKEN),
        ("wperform", BROKEN),
        ("wgen", BROKEN),
        ("wcheck_raise", UNKNOWN),
        ("wcheck_none", UNKNOWN),
        ("wcheck_exit", UNKNOWN),
        ("wcheck_hang", UNKNOWN),
        ("wfinalhang", UNKNOWN),
        ("wbadvalue", BROKEN),
        ("wsystemexit", BROKEN),
    ],
)
def test_a_bad_workload(tmp_path, name, exit_code):
    ended = run(tmp_path, "-w", name, "-f", "none")
    assert ended.returncode == exit_code, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    if name.startswith("wcheck"):
        verdicts = {row["guarantee"]: row["verdict"] for row in json.loads(ended.stdout)["guarantees"]}
        assert verdicts["own"] == "unknown"
        assert verdicts["ok"] == "valid"
    elif not ended.stdout:
        assert name in ended.stderr
        assert "\x1b" not in ended.stderr


@pytest.mark.parametrize(
    "name", ["fraise", "fhang", "fhealhang", "fplanexit", "fproofnone", "fctor", "fjson"]
)
def test_a_bad_fault(tmp_path, name):
    ended = run(tmp_path, "-f", name)
    assert ended.returncode in {UNKNOWN, BROKEN}, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_fault_that_is_not_derived_from_the_base_is_refused_with_the_way_out(tmp_path):
    ended = run(tmp_path, "-f", "fduck")
    assert ended.returncode == BROKEN, ended.stdout + ended.stderr
    for word in ("badplug:FDuck", "core.fault.Fault", "docs/extending.md"):
        assert word in ended.stderr
    assert "not a subclass" in quorate("list", "faults").stdout
    assert quorate("test", "simulated", "-f", "kill", "--time", "4s", "--fault-interval", "1s", "--seed", "1",
                   "--store", str(tmp_path)).returncode == 0  # fmt: skip


def test_what_there_is_can_be_listed_beside_a_bad_one():
    listed = quorate("list", "workloads")
    assert listed.returncode == 0, listed.stderr
    assert "register" in listed.stdout
    assert "badplug_missing" in listed.stdout
    assert quorate("list", "faults", "fraise").returncode == 0
