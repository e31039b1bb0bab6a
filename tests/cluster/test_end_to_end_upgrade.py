"""A rolling upgrade under load: every server reports the new release, and no promise breaks on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces of the test's own"),
]

OLD, NEW = "3.4.23", "3.5.16"  # both are Debian packages: here in seconds
SCHEDULE = f"""
[[fault]]
at = "1500ms"
for = "1s"
fault = "upgrade"
detail = {{ release = "{NEW}" }}
"""


def test_etcd_goes_from_release_to_release_under_load_and_stays_valid(
    tmp_path: Path, quorate_test: Any
) -> None:
    (tmp_path / "plan.toml").write_text(SCHEDULE)
    words = ["--cluster", "local", "--schedule", str(tmp_path / "plan.toml"), "--time", "15s", "--seed", "3"]
    code, found = quorate_test(f"etcd@{OLD}", *words)
    assert (code, found["verdict"]) == (0, "valid"), found["reason"]
    (row,) = found["faults"]
    assert row["nodes"] == ["n1", "n2", "n3"]
    assert row["proof"]["holds"], row["proof"]["text"]
    assert row["healed_proof"]["holds"]
    assert row["proof"]["data"]["versions"] == dict.fromkeys(("n1", "n2", "n3"), NEW)
    test = json.loads((Path(found["run"]) / "test.json").read_text())
    assert set(test["versions"]["nodes"].values()) == {OLD}  # before the load
    assert test["conducted"]["deaths"] == []  # a server stopped in order to be upgraded did not die by itself


def test_an_upgrade_to_nobody_knows_what_is_wrong_usage(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "quorate", "test", "etcd", "-f", "upgrade", "--store", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4, done.stderr
    assert "upgrade.release" in done.stderr
