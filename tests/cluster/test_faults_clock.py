"""Clock faults on real processes: C programs, static Go binaries, the JVM; from this host and from inside the node."""

# ruff: noqa: ASYNC240 - tests look at the disk directly

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from quorate.harness.cluster import make_cluster, new_run_id, processes
from quorate.harness.core.fault import Plan, Scene, make
from quorate.harness.core.node import Cluster, Daemon, Node, ProcessState
from quorate.harness.core.system import NodeStatus
from quorate.harness.core.test import UsageError
from quorate.harness.generators import Invocation
from quorate.nemesis import FaultSpec, Nemesis
from quorate.nemesis.clock.build import helper
from quorate.nemesis.clock.tool import ClockTool

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes network namespaces"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the clock helper knows x86-64 only"),
]

# Prints its clocks to whoever asks, with four threads that ask for the time without end.
TELLER = r"""
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
static long ns(int id) { struct timespec t; clock_gettime(id, &t); return t.tv_sec * 1000000000L + t.tv_nsec; }
static void *spin(void *unused) { for (volatile long n = 0;; n += ns(n % 2)); return unused; }
int main(void) {
    pthread_t thread;
    for (int i = 0; i < THREADS; i++) pthread_create(&thread, 0, spin, 0);
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in me = {.sin_family = AF_INET, .sin_port = htons(8000)}, you;
    if (bind(s, (void *)&me, sizeof me)) return 1;
    for (;;) {
        char text[256];
        socklen_t size = sizeof you;
        if (recvfrom(s, text, sizeof text, 0, (void *)&you, &size) < 0) continue;
        struct timeval v;
        gettimeofday(&v, 0);
        int length = snprintf(text, sizeof text, "[%ld,%ld,%ld,%ld,%ld]", ns(0), ns(1),
            v.tv_sec * 1000000000L + v.tv_usec * 1000L, (long)time(0) * 1000000000L, ns(CLOCK_PROCESS_CPUTIME_ID));
        sendto(s, text, length, 0, (void *)&you, size);
    }
}
"""

# Nothing but the runtime and time, so that it compiles in a moment.
GO_TELLER = r"""
package main

import "time"

func main() {
    begin := time.Now()
    for {
        before := time.Now()
        time.Sleep(20 * time.Millisecond)
        println(time.Now().UnixNano(), int64(time.Since(begin)), int64(time.Since(before)))
    }
}
"""

JAVA_TELLER = """
import java.net.*;

public class Teller {
    public static void main(String[] unused) throws Exception {
        DatagramSocket socket = new DatagramSocket(8000);
        DatagramPacket asked = new DatagramPacket(new byte[64], 64);
        while (true) {
            socket.receive(asked);
            long before = System.nanoTime();
            Thread.sleep(20);
            String told = "[" + System.currentTimeMillis() * 1000000L + "," + System.nanoTime() + ","
                + (System.nanoTime() - before) + ",0,0]";
            socket.send(new DatagramPacket(told.getBytes(), told.length(), asked.getSocketAddress()));
        }
    }
}
"""

H = 3600 * 1_000_000_000
S = 1_000_000_000


class Teller:
    """A system whose server prints the time."""

    name = daemon = "teller"
    membership = None
    runtime = "go"
    virtual = False

    def __init__(self, argv: Sequence[str]) -> None:
        self.argv = tuple(argv)

    async def start(self, cluster: Cluster, node: Node) -> None:  # noqa: ARG002
        await node.start(Daemon("teller", self.argv, f"{node.directory}/teller.log"))

    async def status(self, cluster: Cluster) -> list[NodeStatus]:
        return [
            NodeStatus(node.name, healthy=True, role="leader" if node.name == "n1" else "follower")
            for node in cluster.nodes
        ]

    def log_files(self, node: Node) -> Sequence[str]:
        return [f"{node.directory}/teller.log"]


class FromInside:
    """A node whose processes this host does not see: everything goes through commands in it."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def __getattr__(self, name: str) -> Any:
        return getattr(self._node, name)

    async def pid(self, daemon: str) -> int | None:  # noqa: ARG002
        return None


@pytest.fixture(scope="module")
def c_teller(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [str(compiled(tmp_path_factory.mktemp("teller"), threads=1))]


def compiled(folder: Path, threads: int) -> Path:
    (folder / "teller.c").write_text(TELLER)
    target = folder / "teller"
    subprocess.run(
        ["gcc", "-O2", f"-DTHREADS={threads}", "-pthread", "-o", target, folder / "teller.c"], check=True
    )
    return target


@asynccontextmanager
async def scene_of(argv: Sequence[str], count: int = 1, *, asked: bool = True) -> AsyncIterator[Scene]:
    cluster = make_cluster("local", run_id=new_run_id(), count=count)
    await cluster.up()
    try:
        system: Any = Teller(argv)
        for node in cluster.nodes:
            await system.start(cluster, node)
            if asked:
                await ask(node)
        yield Scene(cluster, system)
    finally:
        await cluster.down()


class Told(msgspec.Struct, array_like=True):
    real: int
    mono: int
    third: int
    fourth: int
    cpu: int


async def ask(node: Node) -> Told:
    """Ask the server for the time."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        for _ in range(200):
            try:
                client.connect((node.address, 8000))
                await loop.sock_sendall(client, b"time")
                async with asyncio.timeout(1):
                    return msgspec.json.decode(await loop.sock_recv(client, 500), type=Told)
            except (TimeoutError, OSError):
                await asyncio.sleep(0.02)
    pytest.fail("the teller does not answer")


async def wall_off(node: Node) -> float:
    """How far the server's wall clock is ahead, in seconds, by its own word."""
    return ((await ask(node)).real - time.time_ns()) / S


def near(value: float, wanted: float, by: float = 0.5) -> bool:
    return abs(value - wanted) < by


def test_the_wall_clock_of_one_process_jumps_and_comes_back_and_the_host_stays(c_teller: list[str]):
    async def body() -> None:
        async with scene_of(c_teller, 2) as scene:
            one, other = scene.cluster.nodes
            anchor = time.time_ns() - time.monotonic_ns()
            tool = ClockTool(one, "teller")
            for offset in (H, -H, 5 * S):
                await tool.set([f"--real-offset={offset}"])
                told = await ask(one)
                for told_ns in (told.real, told.third, told.fourth):
                    assert near((told_ns - time.time_ns()) / S, offset / S, 1.1)
                assert near((told.mono - time.monotonic_ns()) / S, 0)
                assert told.cpu < 60 * S
                assert near(await wall_off(other), 0)
                seen = await tool.read()
                assert seen.patched
                assert near(seen.real.off_ns, offset, 1_000_000)
            assert abs(time.time_ns() - time.monotonic_ns() - anchor) < 50_000_000
            await tool.remove()
            assert near(await wall_off(one), 0)
            assert not (await tool.read()).patched

    asyncio.run(body())


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("mode", ["jump", "drift", "strobe", "both-drift", "step"])
def test_every_mode_is_proved_and_healed(c_teller: list[str], mode: str, inside: bool):  # noqa: FBT001
    async def body() -> None:
        async with scene_of(c_teller, 2) as scene:
            if inside:
                nodes = [FromInside(node) for node in scene.cluster.nodes]
                scene = Scene(Among(scene.cluster, nodes), scene.system)  # type: ignore[arg-type]  # noqa: PLW2901
            clock = make("clock", {"clock.mode": mode})
            plan = await clock.plan(scene, "all", Random(3))
            await clock.inject(scene, plan)
            proof = await clock.prove(scene, plan)
            assert proof.holds, proof
            await clock.heal(scene, plan)
            await clock.heal(scene, plan)
            proof = await clock.prove_healed(scene, plan)
            assert proof.holds, proof
            assert all([near(await wall_off(node), 0) for node in scene.cluster.nodes])

    asyncio.run(body())


class Among:
    """A cluster with other views of its nodes."""

    def __init__(self, cluster: Cluster, nodes: Sequence[Any]) -> None:
        self._cluster, self.nodes = cluster, nodes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)


def test_a_skew_that_is_not_there_is_not_proved(c_teller: list[str]):
    async def body() -> None:
        async with scene_of(c_teller) as scene:
            clock = make("clock", {})
            for skew in (
                {"real_offset_ns": H},
                {"real_rate": 2.0},
                {"real_strobe_ns": H, "real_period_ns": 1_000_000},
                {"mono_rate": 0.5},
            ):
                mode = "jump" if "real_offset_ns" in skew else "drift"
                plan = Plan("clock", "one", ("n1",), {"mode": mode, "skews": {"n1": skew}})
                assert not (await clock.prove(scene, plan)).holds
            assert (await clock.prove_healed(scene, plan)).holds
            await ClockTool(scene.cluster.nodes[0], "teller").set([f"--real-offset={H}"])
            assert not (await clock.prove_healed(scene, plan)).holds

    asyncio.run(body())


def test_a_restarted_server_is_skewed_again(c_teller: list[str]):
    async def body() -> None:
        async with scene_of(c_teller, 2) as scene:
            node = scene.cluster.nodes[0]
            specs = [FaultSpec("clock", "n1"), FaultSpec("kill", "n1")]
            nemesis = Nemesis.from_mix(
                specs, interval_s=5, time_s=60, rng=Random(1),
                settings={"clock.mode": "jump", "clock.size": "-1h", "overlap": "yes"},
            )  # fmt: skip
            nemesis.attach(scene)
            for fault, action in (("clock", "inject"), ("kill", "inject"), ("kill", "heal")):
                outcome = await nemesis.act(Invocation(fault, value={"action": action, "target": "n1"}))
                assert outcome.type == "ok", outcome
            assert near(await wall_off(node), -3600)
            await nemesis.heal_all(scene)
            assert near(await wall_off(node), 0)

    asyncio.run(body())


def test_a_frozen_server_stays_frozen_and_keeps_its_skew(c_teller: list[str]):
    async def body() -> None:
        async with scene_of(c_teller) as scene:
            (node,) = scene.cluster.nodes
            await node.signal("teller", signal.SIGSTOP)
            await ClockTool(node, "teller").set([f"--real-offset={H}"])
            # Let go of, it must first run to notice that it is to stand still: on a busy machine that shows.
            async with asyncio.timeout(10):
                while await node.state("teller") is not ProcessState.STOPPED:  # noqa: ASYNC110 - asked until it shows
                    await asyncio.sleep(0.01)
            await node.signal("teller", signal.SIGCONT)
            assert near(await wall_off(node), 3600)

    asyncio.run(body())


def test_threads_that_never_stop_asking_for_the_time_survive(tmp_path: Path):
    async def body() -> None:
        async with scene_of([str(compiled(tmp_path, threads=6))]) as scene:
            (node,) = scene.cluster.nodes
            tool = ClockTool(node, "teller")
            threads = 0
            for _ in range(60):
                threads = max(threads, (await tool.set([f"--real-offset={H}"])).threads)
                await tool.remove()
            assert threads == 7
            assert await node.state("teller") is ProcessState.RUNNING
            assert near(await wall_off(node), 0)

    asyncio.run(body())


# Skews its servers' clocks and slows their packets, prints the processes, and waits to be killed.
HARNESS = """
import asyncio, sys
from random import Random
from quorate.harness.cluster import make_cluster, new_run_id, processes
from quorate.harness.core.node import Daemon
from quorate.harness.core.fault import Scene, make

class Teller:
    name = daemon = "teller"
    membership = None
    runtime = "go"
    virtual = False

async def live():
    cluster = make_cluster("local", run_id=new_run_id(), count=2)
    await cluster.up()
    for node in cluster.nodes:
        await node.start(Daemon("teller", (sys.argv[1],), f"{node.directory}/log"))
    scene, pids = Scene(cluster, Teller()), [await node.pid("teller") for node in cluster.nodes]
    packet = make("packet", {"packet.mode": "slow"})
    for fault in (make("clock", {"clock.mode": "jump"}), packet):
        await fault.inject(scene, await fault.plan(scene, "all", Random(1)))
    print(*pids, packet._queueing._process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(live())
"""


def test_after_kill_9_of_the_harness_the_next_start_leaves_no_skewed_process(c_teller: list[str]):
    process = subprocess.Popen(
        [sys.executable, "-c", HARNESS, c_teller[0]], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 3
    process.kill()
    process.wait()

    async def body() -> None:
        async with scene_of(c_teller):
            end = time.monotonic() + 10  # another start on this host may have taken the removal on itself
            while living := [pid for pid in pids if (one := processes.entry(pid)) and one.state != "Z"]:
                assert time.monotonic() < end, f"{living} live on"
                await asyncio.sleep(0.05)

    asyncio.run(body())


def test_a_program_is_started_under_skew():
    argv = [helper(), "exec", f"--real-offset={-H}", "--", "date", "+%s"]
    told = int(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    assert near(told - time.time(), -3600, 2)


@pytest.mark.parametrize(
    "argv", [["set", "1x"], ["set", "999999999"], ["set"], ["fly", "1"], ["exec", "--x", "--"], []]
)
def test_wrong_use_ends_with_a_word(argv: list[str]):
    done = subprocess.run([helper(), *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("quorate-clock: ")


@pytest.mark.skipif(shutil.which("go") is None, reason="no Go compiler")
def test_a_static_go_binary_lives_coherently_at_another_rate(tmp_path: Path):
    (tmp_path / "teller.go").write_text(GO_TELLER)
    subprocess.run(
        ["go", "build", "-o", "teller", "teller.go"],
        cwd=tmp_path, check=True, env={**os.environ, "CGO_ENABLED": "0", "GO111MODULE": "off"},
    )  # fmt: skip

    async def body() -> None:
        async with scene_of([str(tmp_path / "teller")], asked=False) as scene:
            (node,) = scene.cluster.nodes
            log = Path(scene.system.log_files(node)[0])
            await ClockTool(node, "teller").set(["--real-rate=5", "--mono-rate=5"])
            begin, skipped = time.monotonic_ns(), len(log.read_text().splitlines()) + 1
            await asyncio.sleep(0.4)
            end, lines = time.monotonic_ns(), log.read_text().splitlines()[skipped:]
            told = [[int(word) for word in line.split()] for line in lines]
            real, mono = (told[-1][column] - told[0][column] for column in (0, 1))
            assert near(real, mono, 0.01 * mono)
            # At most 5; less where a busy machine let it write its first line late or its last one early.
            assert 2 < real / (end - begin) < 5.1
            # No sleep ever looks shorter to the program than it asked for.
            assert all(slept >= 20_000_000 for _, _, slept in told)
            assert len(told) > 5

    asyncio.run(body())


@pytest.mark.skipif(shutil.which("javac") is None, reason="no Java compiler")
def test_the_jvm_sees_a_wall_clock_skew_and_sleeps_as_long_as_ever(tmp_path: Path):
    (tmp_path / "Teller.java").write_text(JAVA_TELLER)
    subprocess.run(["javac", "Teller.java"], cwd=tmp_path, check=True)
    java = [
        os.path.realpath(shutil.which("java") or ""),
        "-Xmx64m",
        "-XX:+UseSerialGC",
        "-cp",
        str(tmp_path),
        "Teller",
    ]

    async def body() -> None:
        async with scene_of(java) as scene:
            (node,) = scene.cluster.nodes
            scene.system.runtime = "jvm"  # type: ignore[attr-defined]
            await ClockTool(node, "teller").set([f"--real-offset={H}"])
            told = await ask(node)
            assert near((told.real - time.time_ns()) / S, 3600, 2)
            assert told.third < S
            for mode in ("both-drift", "step"):
                with pytest.raises(UsageError, match="JVM"):
                    make("clock", {"clock.mode": mode}).check(scene)
            for seed in range(20):
                plan = await make("clock", {}).plan(scene, "all", Random(seed))
                assert plan.detail["mode"] in ("jump", "drift", "strobe")

    asyncio.run(body())
