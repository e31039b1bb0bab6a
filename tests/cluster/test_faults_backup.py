"""Backups under load, restored aside: real services give prefixes, and what was cut short is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: network namespaces of the test's own"),
]


def guarantee(found: dict[str, Any]) -> dict[str, Any]:
    return next(one for one in found["guarantees"] if one["guarantee"] == "backups-are-prefixes")


def kept(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((Path(found["run"]) / "backups").glob("*.json"))]


@pytest.mark.parametrize(
    ("system", "workload"),
    [("etcd@3.7.3", "append"), ("etcd@3.5.16", "lock"), ("etcd@3.4.23", "register")],
)
def test_backups_of_etcd_are_prefixes(quorate_test: Any, system: str, workload: str) -> None:
    words = [
        "-w",
        workload,
        "--cluster",
        "local",
        "-f",
        "backup,kill",
        "--fault-interval",
        "2s",
        "--time",
        "16s",
    ]
    code, found = quorate_test(system, *words, "--seed", "2")
    assert (code, found["verdict"]) == (0, "valid"), found["reason"]
    assert guarantee(found)["stats"]["compared"] >= 1
    for one in kept(found):
        assert one["restored"]["position"] >= one["reached"]["position"]
        assert one["restored"]["compared"] > 0
        assert "differences" not in one["restored"] or not one["restored"]["differences"]
    rows = [row for row in found["faults"] if row["fault"] == "backup"]
    assert all("SHA-256 verified, restored at position" in row["proof"]["text"] for row in rows)


def test_backups_of_consul_are_prefixes(quorate_test: Any) -> None:
    words = [
        "-w",
        "set",
        "--cluster",
        "local",
        "-f",
        "backup,kill",
        "--fault-interval",
        "2s",
        "--time",
        "20s",
    ]
    code, found = quorate_test("consul@1.8.7", *words, "--seed", "2")
    assert (code, found["verdict"]) == (0, "valid"), found["reason"]
    assert guarantee(found)["stats"]["compared"] >= 1
    assert any(one["reached"].get("confirmed") for one in kept(found))
    assert any(one["restored"]["held"] for one in kept(found))


def test_backups_of_zookeeper_hold_all_up_to_where_they_begin(quorate_test: Any) -> None:
    words = [
        "-w",
        "append",
        "--cluster",
        "local",
        "-f",
        "backup,kill",
        "--fault-interval",
        "2s",
        "--time",
        "24s",
    ]
    code, found = quorate_test("zookeeper@3.9.5", *words, "--seed", "2")
    assert (code, found["verdict"]) == (0, "valid"), found["reason"]
    assert guarantee(found)["stats"]["compared"] >= 1
    assert any(one["restored"]["held"] and one["reached"].get("confirmed") for one in kept(found))


def test_after_an_upgrade_the_tool_of_the_new_release_restores(quorate_test: Any, tmp_path: Path) -> None:
    schedule = tmp_path / "plan.toml"
    fault = '[[fault]]\nat = "{}s"\nfor = "1s"\nfault = "{}"\n{}\n'
    schedule.write_text(
        fault.format(2, "upgrade", 'detail = { release = "3.5.16" }')
        + fault.format(20, "backup", 'nodes = ["n1"]')
    )
    words = ["--cluster", "local", "--schedule", str(schedule), "--time", "30s", "--seed", "3"]
    code, found = quorate_test("etcd@3.4.23", *words)
    assert (code, found["verdict"]) == (0, "valid"), found["reason"]
    assert guarantee(found)["stats"]["compared"] == 1


def test_a_transfer_that_a_kill_cut_short_is_refused_and_no_anomaly(quorate_test: Any) -> None:
    words = ["--cluster", "local", "-f", "backup", "--fault-interval", "2s", "--time", "16s", "--seed", "2"]
    more = ["--set", "backup.then=kill", "--set", "backup.after=30ms", "--set", "store_size=40MB"]
    code, found = quorate_test("etcd@3.7.3", *words, *more)
    assert code in {0, 2}, found["reason"]  # where all were cut nothing could be compared
    stats = guarantee(found)["stats"]
    assert stats["refused"] >= 1
    assert all(row["outcome"] == "ok" for row in found["faults"])
