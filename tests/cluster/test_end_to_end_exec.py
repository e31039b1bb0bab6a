"""The main job where this process cannot enter the containers: everything goes through the engine, same results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quorate.harness.cluster.factory import engine_answers
from quorate.harness.cluster.traces import traces_of

pytestmark = pytest.mark.cluster


def test_the_main_job_by_exec_only(quorate_test: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if not engine_answers():
        pytest.skip("no Docker engine answers: start dockerd to run this")
    monkeypatch.setenv("QUORATE_FORCE_EXEC", "1")
    words = ["etcd@3.5.16", "--cluster", "docker", "-f", "partition,kill,pause", "--time", "20s"]
    words += ["--fault-interval", "2s", "--seed", "5"]
    code, found = quorate_test(*words)
    assert (code, found["verdict"]) == (0, "valid"), found["reason"]
    assert {row["fault"] for row in found["faults"]} == {"partition", "kill", "pause"}
    assert all(row["proof"]["holds"] and row["healed_proof"]["holds"] for row in found["faults"])
    assert traces_of(json.loads((Path(found["run"]) / "test.json").read_text())["run_id"]) == []
