"""Power cuts: what was not synced is lost, what was is kept, a store that does not sync is found out, nothing stays."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from quorate.harness.cluster import doctor, make_cluster, new_run_id
from quorate.harness.cluster.ledger import runs_directory
from quorate.harness.cluster.sweep import sweep
from quorate.harness.cluster.traces import traces_of
from quorate.harness.cluster.volumes import Volume, obstacle
from quorate.harness.core.outcome import Broken
from tests.cluster.needs import needs

pytestmark = [
    pytest.mark.cluster,
    needs(doctor.file_systems),
]


def test_a_volume_keeps_what_was_synced_and_nothing_else() -> None:
    async def body() -> None:
        cluster = make_cluster("local", run_id=new_run_id(), count=1)
        await cluster.up()
        try:
            (node,) = cluster.nodes
            data = Path(node.directory) / "data"
            data.mkdir()
            (data / "before").write_text("was there")
            volume = Volume(node, str(data))
            await volume.make()
            assert (data / "before").read_text() == "was there"
            for turn in range(2):
                await node.run(
                    [
                        "sh",
                        "-c",
                        f"echo {turn} >{data}/synced; sync {data}/synced; echo lost >{data}/un{turn}",
                    ]
                )
                await volume.lose()
                kept, words = await volume.kept()
                assert kept, words
                assert (data / "synced").read_text() == f"{turn}\n"
                assert not (data / f"un{turn}").exists() or not (data / f"un{turn}").read_text()
            # A disk that keeps everything is found out.
            await node.run(["sh", "-c", f"echo more >>{data}/lost+found/quorate; sync"])
            assert not (await volume.kept())[0]
            with (data / "held").open("w"), pytest.raises(Broken, match="busy"):
                await volume.lose()
        finally:
            await cluster.down()
        assert traces_of(cluster.run_id) == []

    asyncio.run(body())


@pytest.mark.parametrize(
    ("system", "more", "code", "verdict"),
    [
        ("etcd", ("--set", "unsafe_no_fsync=true"), 1, "invalid"),
        ("zookeeper", ("--set", "force_sync=no"), 1, "invalid"),
        ("etcd", (), 0, "valid"),
    ],
)
def test_a_store_that_does_not_sync_loses_what_it_acknowledged(
    quorate_test: Any, system: str, more: tuple[str, ...], code: int, verdict: str
) -> None:
    words = [
        system,
        "-w",
        "set",
        "-f",
        "powerloss:all",
        "--set",
        "powerloss.window=1s",
        "--fault-interval",
        "2s",
    ]
    found = quorate_test(*words, "--cluster", "local", "--time", "10s", "--seed", "4", *more)
    assert (found[0], found[1]["verdict"]) == (code, verdict), found[1]["reason"]
    assert all(row["proof"]["holds"] for row in found[1]["faults"])


def test_mounts_of_a_killed_run_are_swept(tmp_path: Path) -> None:
    words = [
        "test",
        "etcd",
        "-f",
        "powerloss",
        "--cluster",
        "local",
        "--time",
        "60s",
        "--store",
        str(tmp_path),
    ]
    process = subprocess.Popen([sys.executable, "-m", "quorate", *words], stderr=subprocess.DEVNULL)
    try:
        mounted: list[str] = []
        end = time.monotonic() + 60
        while not mounted and time.monotonic() < end:
            time.sleep(0.05)
            lines = Path("/proc/mounts").read_text().splitlines()
            mine = [
                path.stem for path in runs_directory().glob("*.jsonl") if str(process.pid) in path.read_text()
            ]
            mounted = [line for line in lines if "/etcd ext4 " in line and any(run in line for run in mine)]
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert mounted
    (run_id,) = mine
    sweep()
    end = time.monotonic() + 60  # a test beside this one may be at it: its sweep holds the dead run's lock
    while traces_of(run_id) and time.monotonic() < end:
        time.sleep(0.1)
    assert traces_of(run_id) == []


def test_without_root_it_says_what_is_missing(user: list[str]) -> None:
    words = ["test", "etcd@3.4.23", "-f", "powerloss", "--cluster", "local", "--time", "10s"]
    script = (
        "from quorate.harness.cli.main import main; import sys; sys.argv = ['quorate', *sys.argv[1:]]; main()"
    )
    store = Path(f"/tmp/quorate-test-{os.getpid()}")
    try:
        done = subprocess.run(
            [*user, "-c", script, *words, "--store", str(store)],
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
            cwd="/",
        )
    finally:
        shutil.rmtree(store, ignore_errors=True)
    assert done.returncode == 3, done.stderr
    assert "not root - run as root" in done.stdout + done.stderr


def test_simulated_nodes_have_no_disks() -> None:
    class Bare:
        name = "n1"

    assert "n1" in (obstacle([Bare()]) or "")  # type: ignore[list-item]
