"""What faults cost: to cut and heal a network of five nodes, to skew a clock, and to run under a skewed one.

Run as root: python bench/faults.py
"""

# ruff: noqa: ASYNC221, ASYNC230, ASYNC240 - one thing at a time is measured

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.cluster.network import ExecutedNetwork
from quorate.harness.core.node import Daemon, Network, Node
from quorate.nemesis.clock.tool import ClockTool

ROUNDS = 100
SPINNER = r"""
#include <pthread.h>
#include <stdio.h>
#include <time.h>
static long ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}
static void *wait(void *unused) { for (;;) { struct timespec t = {0, 20000000}; nanosleep(&t, 0); } return unused; }
int main(void) {
    pthread_t thread;
    for (int i = 0; i < 9; i++) pthread_create(&thread, 0, wait, 0);
    setvbuf(stdout, 0, _IOLBF, 0);
    for (;;) {
        struct timespec t;
        long begin = ns();
        for (int i = 0; i < 200000; i++) clock_gettime(CLOCK_REALTIME, &t);
        printf("%.2f\n", (ns() - begin) / 200000.0);
    }
}
"""


def show(what: str, values: Sequence[float], unit: str) -> None:
    ordered = sorted(values)
    print(
        f"{what:<46} min {ordered[0]:8.3f}  median {statistics.median(ordered):8.3f}  "
        f"p95 {ordered[int(len(ordered) * 0.95)]:8.3f}  max {ordered[-1]:8.3f} {unit}"
    )


async def cuts(network: Network, names: Sequence[str], rounds: int, what: str) -> None:
    side = set(names[: len(names) // 2])
    pairs = frozenset((a, b) for a in names for b in names if a != b and (a in side) != (b in side))
    everyone = [(a, b) for a in names for b in names if a != b]
    apply, heal, probe = [], [], []
    for _ in range(rounds):
        begin = time.perf_counter()
        await network.cut(pairs)
        apply.append((time.perf_counter() - begin) * 1e3)
        begin = time.perf_counter()
        arrived = await network.probe(everyone)
        probe.append((time.perf_counter() - begin) * 1e3)
        assert {pair for pair in everyone if not arrived[pair]} == pairs
        begin = time.perf_counter()
        await network.heal()
        heal.append((time.perf_counter() - begin) * 1e3)
    show(f"cut {len(names)} nodes, {what}", apply, "ms")
    show(f"heal {len(names)} nodes, {what}", heal, "ms")
    show(f"probe {len(everyone)} directions, {what}", probe, "ms")


async def clocks(node: Node, folder: Path) -> None:
    (folder / "spinner.c").write_text(SPINNER)
    binary = folder / "spinner"
    subprocess.run(["gcc", "-O2", "-pthread", "-o", binary, folder / "spinner.c"], check=True)
    log = f"{node.directory}/spinner.log"
    await node.start(Daemon("spinner", (str(binary),), log))
    tool = ClockTool(node, "spinner")
    stops, removals = [], []
    for _ in range(ROUNDS):
        stops.append((await tool.set(["--real-offset=3600000000000"])).stopped_us / 1e3)
        removals.append((await tool.remove()).stopped_us / 1e3)
    show("stop of a process of ten threads, to skew", stops, "ms")
    show("stop of a process of ten threads, to end it", removals, "ms")
    costs: dict[str, list[float]] = {"true": [], "offset": [], "drift and strobe": []}
    for _ in range(10):
        costs["true"] += await cost(log)
        await tool.set(["--real-offset=3600000000000"])
        costs["offset"] += await cost(log)
        await tool.set(["--real-rate=1.5", "--real-strobe=50000000,1000000"])
        costs["drift and strobe"] += await cost(log)
        await tool.remove()
    for kind, values in costs.items():
        show(f"clock_gettime, {kind}", values, "ns")
    floor = min(costs["true"])
    for kind in ("offset", "drift and strobe"):
        print(f"{f'cost of a skew ({kind})':<46} {min(costs[kind]) - floor:+.1f} ns a call")


async def cost(log: str) -> list[float]:
    size = Path(log).stat().st_size
    await asyncio.sleep(0.15)
    with Path(log).open() as file:
        file.seek(size)
        return [float(line) for line in file.read().splitlines()[1:-1]]


async def main() -> None:
    if os.geteuid() != 0:
        sys.exit("run as root: it makes network namespaces")
    cluster = make_cluster("local", run_id=new_run_id(), count=5)
    await cluster.up()
    try:
        names = [node.name for node in cluster.nodes]
        await cuts(cluster.network, names, ROUNDS, "entered")
        await cuts(ExecutedNetwork(cluster.nodes), names, 5, "by commands")
        with tempfile.TemporaryDirectory() as folder:
            await clocks(cluster.nodes[0], Path(folder))
    finally:
        await cluster.down()


if __name__ == "__main__":
    asyncio.run(main())
