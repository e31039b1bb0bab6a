"""Bad disks: the system calls of one real server, slow, failing, or answered that no space is left."""

# ruff: noqa: ASYNC240 - tests look at the disk directly

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from quorate.harness.cluster import doctor, make_cluster, new_run_id
from quorate.harness.core.fault import Scene, make
from quorate.harness.core.node import Cluster, Daemon, Node, ProcessState
from quorate.harness.core.outcome import Broken
from quorate.harness.core.test import UsageError
from quorate.nemesis.disk.tracer import is_traced, open_data_files
from tests.cluster.needs import needs, program

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes network namespaces"),
    needs(doctor.strace),
    program("gcc", "gcc libc6-dev"),
]

# Writes to a file and to its log, syncs, and ends with a word when its disk fails it.
WRITER = r"""
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static void *idle(void *unused) { for (;;) usleep(5000); return unused; }
int main(int count, char **words) {
    pthread_t thread;
    for (int i = 0; i < 4; i++) pthread_create(&thread, 0, idle, 0);
    int file = open(words[count - 1], O_CREAT | O_WRONLY | O_APPEND, 0644);
    setvbuf(stdout, 0, _IOLBF, 0);
    for (;;) {
        if (write(file, "data\n", 5) < 0 || fdatasync(file) < 0) {
            printf("stopped: %s\n", strerror(errno));
            return 1;
        }
        printf("wrote\n");
        usleep(5000);
    }
}
"""


class Writer:
    name = daemon = "writer"
    membership = None

    def __init__(self, binary: Path) -> None:
        self._binary = binary

    async def start(self, cluster: Cluster, node: Node) -> None:  # noqa: ARG002
        argv = (str(self._binary), f"{node.directory}/data")
        await node.start(Daemon("writer", argv, f"{node.directory}/writer.log"))

    def log_files(self, node: Node) -> Sequence[str]:
        return [f"{node.directory}/writer.log"]


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("writer")
    (folder / "writer.c").write_text(WRITER)
    subprocess.run(["gcc", "-pthread", "-o", folder / "writer", folder / "writer.c"], check=True)
    return folder / "writer"


def data_of(node: Node) -> Path:
    return Path(node.directory) / "data"


async def begun(path: Path) -> None:
    for _ in range(1000):
        if path.exists():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"{path} was never written")


@asynccontextmanager
async def scene_of(binary: Path, count: int = 2) -> AsyncIterator[Scene]:
    cluster = make_cluster("local", run_id=new_run_id(), count=count)
    await cluster.up()
    try:
        system: Any = Writer(binary)
        for node in cluster.nodes:
            await system.start(cluster, node)
        for node in cluster.nodes:
            await begun(data_of(node))
        yield Scene(cluster, system)
    finally:
        await cluster.down()


def log_of(scene: Scene, node: Node) -> str:
    return Path(scene.system.log_files(node)[0]).read_text()


@pytest.mark.parametrize(
    ("mode", "words"), [("slow", ""), ("failing", "Input/output error"), ("full", "No space left on device")]
)
def test_a_bad_disk_is_proved_and_healed(binary: Path, mode: str, words: str):
    async def body() -> None:
        async with scene_of(binary) as scene:
            one, other = scene.cluster.nodes
            fault = make("disk", {"disk.mode": mode, "disk.delay": "100ms"})
            plan = await fault.plan(scene, "n1", Random(1))
            await fault.inject(scene, plan)
            proof = await fault.prove(scene, plan)
            assert proof.holds, proof
            if mode == "slow":
                assert proof.data["shortest_ms"] >= 100
                assert await one.state("writer") is ProcessState.RUNNING
            else:
                assert f"stopped: {words}" in log_of(scene, one)
            assert "stopped" not in log_of(scene, other)
            await fault.heal(scene, plan)
            await fault.heal(scene, plan)
            healed = await fault.prove_healed(scene, plan)
            assert healed.holds, healed
            assert healed.data["touched"]["n1"] > 0
            pid = await one.pid("writer")
            assert pid is not None
            assert not is_traced(pid)
            before = len(log_of(scene, one))
            await asyncio.sleep(0.3)
            assert len(log_of(scene, one)) > before

    asyncio.run(body())


def test_only_data_files_are_full(binary: Path):
    async def body() -> None:
        async with scene_of(binary, 1) as scene:
            (node,) = scene.cluster.nodes
            pid = await node.pid("writer")
            assert pid is not None
            found = open_data_files(pid, node.directory, scene.system.log_files(node))
            assert found == [f"{node.directory}/data"]

    asyncio.run(body())


def test_a_server_outlives_the_tracer_and_is_not_proved_without(binary: Path):
    async def body() -> None:
        async with scene_of(binary, 1) as scene:
            (node,) = scene.cluster.nodes
            fault = make("disk", {"disk.delay": "50ms"})
            plan = await fault.plan(scene, "n1", Random(1))
            await fault.inject(scene, plan)
            process = fault._tracers["n1"]._process
            assert process is not None
            process.send_signal(signal.SIGKILL)
            await process.wait()
            pid = await node.pid("writer")
            assert pid is not None
            assert not is_traced(pid)
            await fault.heal(scene, plan)
            assert (await fault.prove_healed(scene, plan)).holds
            assert not (await fault.prove(scene, plan)).holds

    asyncio.run(body())


def test_a_dead_server_has_no_disk(binary: Path):
    async def body() -> None:
        async with scene_of(binary, 1) as scene:
            fault = make("disk", {})
            plan = await fault.plan(scene, "n1", Random(1))
            await scene.cluster.nodes[0].signal("writer", signal.SIGKILL)
            with pytest.raises(Broken, match="dead"):
                await fault.inject(scene, plan)

    asyncio.run(body())


@pytest.mark.parametrize("given", [{"disk.mode": "slo"}, {"disk.delay": "1h"}, {"disk.delay": "-1s"}])
def test_settings_that_make_no_sense(given: dict[str, str]):
    with pytest.raises(UsageError):
        make("disk", given)
