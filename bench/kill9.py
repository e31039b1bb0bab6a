"""Kill a harness with SIGKILL at random moments of its life, and count what is left after the next sweep.

    python bench/kill9.py [--kind local|docker] [--times 100] [--nodes 3] [--seed 1]

Exits 1 if anything is left: a process, link, namespace, mount, directory, subnet lock, container or network.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import subprocess
import sys
import time

from quorate.harness.cluster import new_run_id, sweep
from quorate.harness.cluster.traces import traces_of

_LIFE = """
import asyncio, sys
from quorate.harness.cluster import make_cluster
from quorate.harness.core.node import Daemon

async def live(kind: str, run_id: str, count: int) -> None:
    for _ in range(1000):
        cluster = make_cluster(kind, run_id=run_id, count=count)
        await cluster.up()
        print("up", flush=True)
        for node in cluster.nodes:
            script = "sleep 1000 & setsid sleep 2000 & wait"
            await node.start(Daemon("server", ("/bin/sh", "-c", script), node.directory + "/log"))
        await cluster.wipe()
        await cluster.nodes[0].run(["sleep", "0.01"])
        await cluster.down()

asyncio.run(live(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


_ANOTHER_SWEEP_S = 10.0


def _left(run_id: str) -> list[str]:
    """Return what is left once no sweep of another run is under way: it holds the dead run's lock."""
    end = time.monotonic() + _ANOTHER_SWEEP_S
    while (left := traces_of(run_id)) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def main() -> int:
    options = _options()
    rng = random.Random(options.seed)
    failures = 0
    sweeps = []
    longest = {"local": 0.6, "docker": 3.0}[options.kind]
    for number in range(1, options.times + 1):
        run_id = new_run_id()
        process = subprocess.Popen(
            [sys.executable, "-c", _LIFE, options.kind, run_id, str(options.nodes)], stdout=subprocess.DEVNULL
        )
        time.sleep(0.15 + rng.random() * longest)  # its imports take about 0.15 s
        process.send_signal(signal.SIGKILL)
        process.wait()
        started = time.perf_counter()
        sweep()
        sweeps.append(time.perf_counter() - started)
        left = _left(run_id)
        if left:
            failures += 1
            print(f"kill {number}, {run_id}: {'; '.join(left)}")
    sweeps.sort()
    print(
        f"{options.kind}: {options.times} kills of {options.nodes} nodes, {failures} left something; "
        f"sweep median {sweeps[len(sweeps) // 2] * 1e3:.0f} ms, worst {sweeps[-1] * 1e3:.0f} ms"
    )
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=["local", "docker"], default="local")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
