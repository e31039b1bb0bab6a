"""What the harness costs beside a bare loop: the same client, cluster and operations, in one run.

    python bench/main_job.py [--cluster local] [--time 10]

Prints operations per second of `quorate test etcd -w register --rate 0` (journal, generator, watcher and all), of a
loop that only awaits the client in the same proportion of operations, their ratio, the time from the command's start
to the first operation, and the fixed cost around the load. Goals: ratio at least 0.85, first operation within 6 s,
fixed cost at most 10 s.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time

from quorate import Test, run
from quorate.harness.cluster import new_run_id
from quorate.harness.core.clock import clock_of, run_real
from quorate.harness.core.outcome import OutcomeError
from quorate.harness.run.parts import Parts, assemble


async def bare(test: Test, seconds: float) -> float:
    """Return operations per second of a loop per client without anything around it."""
    parts = assemble(test, new_run_id(), clock_of(asyncio.get_running_loop()))
    await start(parts)
    try:
        nodes = parts.cluster.nodes
        clients = [
            await parts.system.client([nodes[n % len(nodes)]], test.timeout) for n in range(test.clients)
        ]
        counts = await asyncio.gather(*(loop_of(client, n, seconds) for n, client in enumerate(clients)))
        for client in clients:
            await client.close()
        return sum(counts) / seconds
    finally:
        await parts.system.close()
        await parts.cluster.down()


async def start(parts: Parts) -> None:
    await parts.cluster.up()
    await parts.system.install(parts.cluster)
    await asyncio.gather(*(parts.system.start(parts.cluster, node) for node in parts.cluster.nodes))
    await parts.system.wait_ready(parts.cluster, 60.0)


async def loop_of(client: object, number: int, seconds: float) -> int:
    rng, done = random.Random(number), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        key = f"k{rng.randrange(5)}"
        try:
            draw = rng.random()
            if draw < 0.5:
                await client.read(key)
            elif draw < 0.8:
                await client.write(key, done)
            else:
                await client.cas(key, done - 1, done)
        except OutcomeError:
            pass
        done += 1
    return done


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cluster", default="local")
    parser.add_argument("--time", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=3)
    asked = parser.parse_args()
    ratios = []
    for pair in range(asked.pairs):
        with tempfile.TemporaryDirectory() as store:
            test = Test(
                system="etcd", cluster=asked.cluster, time=asked.time, clients=asked.clients, rate=0.0, seed=pair,
                store=store, settings={"pinning": "all"},
            )  # fmt: skip
            begun = time.monotonic()
            done = run(test)
            took = time.monotonic() - begun
            harness = done.results.statistics.operations / asked.time
            loop = run_real(bare(test, asked.time))
        ratios.append(harness / loop)
        ready = done.results.timings_s["ready"]
        print(
            f"harness {harness:7.0f}/s  bare loop {loop:7.0f}/s  ratio {harness / loop:.2f}  "
            f"ready after {ready:.1f} s  fixed cost {took - asked.time:.1f} s  {done.verdict}"
        )
    print(f"median ratio {sorted(ratios)[len(ratios) // 2]:.2f}")


if __name__ == "__main__":
    main()
