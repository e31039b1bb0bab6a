"""What clusters cost: up, command, upload, start, signal, wipe, down, for each kind that this machine can.

    python bench/cluster.py [--nodes 5] [--rounds 5]

Medians in milliseconds; beside `up` the floor of the same work by the plain tools (`docker run` of one idle container,
`ip netns add`), beside `run` that of `docker exec`. Goals: local up <= 300, three containers up <= 2000 (warm), a
signal by host pid <= 5.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable
from pathlib import Path

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.cluster.factory import engine_answers
from quorate.harness.core.node import Daemon

_UPLOAD_BYTES = 24 << 20  # about an etcd server


async def main() -> None:
    options = _options()
    kinds = ["local"] + (["docker", "exec"] if engine_answers() else [])
    with tempfile.NamedTemporaryFile() as file:
        file.write(os.urandom(_UPLOAD_BYTES))
        file.flush()
        measured = {
            kind: await _measure(kind, options.nodes, options.rounds, Path(file.name)) for kind in kinds
        }
    print(f"{options.nodes} nodes, median of {options.rounds} rounds, ms (load {os.getloadavg()[0]:.1f})")
    print(f"{'':24}" + "".join(f"{kind:>10}" for kind in kinds))
    for step in measured["local"]:
        print(f"{step:24}" + "".join(f"{measured[kind][step]:10.1f}" for kind in kinds))
    print(
        f"floor: ip netns add + del {_floor(['sh', '-c', 'ip netns add qbench && ip netns del qbench']):.1f}"
    )
    if "docker" in kinds:
        run = ["docker", "run", "--rm", "--init", "quorate-node:base", "true"]
        print(f"floor: docker run of one container, to its end {_floor(run):.1f}")


async def _measure(kind: str, nodes: int, rounds: int, upload: Path) -> dict[str, float]:
    times: dict[str, list[float]] = defaultdict(list)

    async def timed(step: str, work: Awaitable[object]) -> None:
        started = time.perf_counter()
        await work
        times[step].append((time.perf_counter() - started) * 1e3)

    for _ in range(rounds):
        cluster = make_cluster(
            "local" if kind == "local" else "docker",
            run_id=new_run_id(),
            count=nodes,
            force_exec=kind == "exec",
        )
        await timed("up", cluster.up())
        try:
            node = cluster.nodes[0]
            target = f"{node.directory}/bin/server"
            server = Daemon("server", ("/bin/sleep", "1000"), f"{node.directory}/log")
            await timed("run true", node.run(["true"]))
            await timed("put 24 MiB", node.put(upload, target, mode=0o755))
            await timed("start", node.start(server))
            await timed("SIGSTOP, until stopped", node.signal("server", signal.SIGSTOP))
            await timed("SIGCONT, until running", node.signal("server", signal.SIGCONT))
            await timed("state", node.state("server"))
            await timed("SIGKILL, until dead", node.signal("server", signal.SIGKILL))
            await timed("wipe, all nodes", cluster.wipe())
            await timed("put 24 MiB again", node.put(upload, target, mode=0o755))
        finally:
            await timed("down", cluster.down())
    return {step: statistics.median(values) for step, values in times.items()}


def _floor(command: list[str]) -> float:
    times = []
    for _ in range(3):
        started = time.perf_counter()
        subprocess.run(command, check=False, capture_output=True)
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
