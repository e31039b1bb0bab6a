"""The main job over SSH, clocks included: as root on the hosts, and as a user with sudo."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize(("user", "seed"), [("root", "5"), ("tester", "6")])
def test_the_main_job_on_hosts(site: Any, tmp_path: Path, user: str, seed: str) -> None:
    inventory = site.inventory(user, **({} if user == "root" else {"sudo": True}))
    words = ["test", "etcd@3.5.16", "--cluster", "ssh", "--inventory", str(inventory), "--seed", seed]
    words += ["-f", "partition,kill,pause,clock", "--time", "20s", "--fault-interval", "2s"]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", *words, "--json", "--store", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout.strip(), done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert (done.returncode, found["verdict"]) == (0, "valid"), found["reason"]
    assert {row["fault"] for row in found["faults"]} == {"partition", "kill", "pause", "clock"}
    assert all(row["proof"]["holds"] and row["healed_proof"]["holds"] for row in found["faults"])
    assert sorted(path.name for path in (Path(found["run"]) / "nodes").iterdir()) == ["n1", "n2", "n3"]
    look = "ls /srv; nft list tables | grep quorate; pgrep etcd; pgrep quorate-clock; true"
    assert site.call(site.look(look)) == ["", "", ""]  # hosts are left as they were


def test_members_and_damage_on_hosts_and_what_they_will_not_mount(site: Any, quorate_test: Any) -> None:
    inventory = site.inventory("tester", sudo=True)
    common = ["etcd@3.5.16", "--cluster", "ssh", "--inventory", str(inventory), "--seed", "6"]

    code, found = quorate_test(
        *common, "-f", "member:follower,corrupt:leader", "--time", "40s", "--fault-interval", "6s"
    )
    assert (code, found["verdict"]) == (0, "valid"), found["reason"]
    assert {row["fault"] for row in found["faults"]} == {"member", "corrupt"}
    # These hosts are containers, whose root may mount nothing: told, and nothing is left.
    code, found = quorate_test(*common, "-f", "powerloss", "--time", "10s")
    assert code == 3
    assert "no-volume" in found["reason"]
    assert site.call(site.look("ls /srv; grep quorate /proc/mounts; pgrep etcd; true")) == ["", "", ""]
