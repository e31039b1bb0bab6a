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
def test_the_main_job_on_hosts(site: Any, quorate_test: Any, user: str, seed: str) -> None:
    inventory = site.inventory(user, **({} if user == "root" else {"sudo": True}))
    words = ["etcd@3.5.16", "--cluster", "ssh", "--inventory", str(inventory), "--seed", seed]
    words += ["-f", "partition,kill,pause,clock", "--time", "20s", "--fault-interval", "2s"]
    code, found = quorate_test(*words)
    assert (code, found["verdict"]) == (0, "valid"), found["reason"]
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
    # These hosts are containers, whose root may mount nothing: reported, and nothing is left.
    code, found = quorate_test(*common, "-f", "powerloss", "--time", "10s")
    assert code == 3
    assert "no-volume" in found["reason"]
    assert "may mount loop devices" in found["reason"]
    assert site.call(site.look("ls /srv; grep quorate /proc/mounts; pgrep etcd; true")) == ["", "", ""]


@pytest.mark.parametrize(
    ("user", "more", "code"), [("tester", (), 0), ("root", ("--set", "unsafe_no_fsync=true"), 1)]
)
def test_power_cuts_on_hosts_that_let_root_mount(
    mounting_site: Any, quorate_test: Any, user: str, more: tuple[str, ...], code: int
) -> None:
    inventory = mounting_site.inventory(user, **({} if user == "root" else {"sudo": True}))
    words = ["etcd@3.5.16", "-w", "set", "-f", "powerloss:all", "--set", "powerloss.window=1s", *more]
    words += ["--cluster", "ssh", "--inventory", str(inventory), "--time", "12s", "--seed", "4"]
    found = quorate_test(*words, "--fault-interval", "2s")
    assert found[0] == code, found[1]["reason"]
    assert all(row["proof"]["holds"] for row in found[1]["faults"])
    left = mounting_site.look(
        "ls /srv; grep quorate /proc/mounts; pgrep etcd; losetup -a | grep quorate; true"
    )
    assert mounting_site.call(left) == ["", "", ""]


def test_doctor_tries_the_hosts_and_says_what_they_cannot_and_why(site: Any, mounting_site: Any) -> None:
    def doctor(inventory: Path) -> tuple[int, dict[str, dict[str, Any]]]:
        done = subprocess.run(
            [sys.executable, "-m", "quorate", "doctor", "--json", "--inventory", str(inventory)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, {row["name"]: row for row in json.loads(done.stdout)}

    for able, where in ((False, site), (True, mounting_site)):
        code, rows = doctor(where.inventory("tester", sudo=True))
        hosts = [f"tester@{node.address}:22" for node in where.cluster.nodes]
        assert code == 0
        for host in hosts:
            assert all(
                rows[f"{host}: {fault}"]["ok"] for fault in ("clock", "partition, and packet.mode=lossy")
            )
            assert rows[f"{host}: powerloss"]["ok"] is able
            assert able or "loop devices" in rows[f"{host}: powerloss"]["mend"]
        assert not rows["hosts over SSH: disk"]["ok"]
        look = "ls -d /tmp/tmp.* 2>/dev/null; pgrep -fx 'sleep 5'; grep loop /proc/mounts; true"
        assert where.call(where.look(look)) == ["", "", ""]
    code, rows = doctor(site.inventory("tester"))
    assert code == 3
    assert {row["reason"] for name, row in rows.items() if "root and" in name} == {"not root"}
    code, rows = doctor(site.inventory("root", port=2))
    assert code == 3
    assert all(not row["ok"] for row in rows.values())
