"""The etcd client against a bare grpc.aio loop on the same transport and server: `python bench/etcd_client.py`.

One etcd that does not wait for the disk, half reads and half writes over 16 keys, 1, 10 and 50 logical clients with a
connection each. Both loops do the same requests in many short turns; the figures are the medians of the ratios of
neighbouring turns, of throughput and of CPU time, so that other load on the machine cancels out. Goal: 0.85.
As root (network namespaces).
"""

from __future__ import annotations

import argparse
import asyncio
import statistics

import grpc.aio
from clients import DEADLINE_S, KEYS, Loop, ours, rate  # a neighbour

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.etcd import Etcd
from quorate.harness.systems.etcd.client.connection import CHANNEL_OPTIONS, CLIENT_PORT
from quorate.harness.systems.etcd.protocol import Stubs, pb


def bare(target: str) -> Loop:
    """The least that Python can do: prepared stubs, no errors mapped, nothing measured."""
    channel = grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
    stubs = Stubs(channel)
    read, write = stubs.Range, stubs.Put

    async def operation(turn: int) -> object:
        key = b"/register/k%d" % (turn % KEYS)
        if turn % 2:
            return await write(pb.PutRequest(key=key, value=b"%d" % turn), timeout=DEADLINE_S)
        return await read(pb.RangeRequest(key=key), timeout=DEADLINE_S)

    return operation, channel.close


async def compare(system: Etcd, nodes: list, clients: int, rounds: int, seconds: float) -> None:
    target = f"{nodes[0].address}:{CLIENT_PORT}"
    one = [bare(target) for _ in range(clients)]
    other = [ours(await system.client(nodes, DEADLINE_S)) for _ in range(clients)]
    for pairs in (one, other):
        await rate([operation for operation, _ in pairs], 0.3)
    seen: list[tuple[float, float, float, float]] = []
    for turn in range(rounds):
        order = (one, other) if turn % 2 else (other, one)
        found = {id(pairs): await rate([operation for operation, _ in pairs], seconds) for pairs in order}
        seen.append((*found[id(one)], *found[id(other)]))
    ratio = statistics.median(ours_ / bare_ for bare_, _, ours_, _ in seen)
    cpu = statistics.median(bare_ / ours_ for _, bare_, _, ours_ in seen)
    middle = [statistics.median(column) for column in zip(*seen, strict=True)]
    print(
        f"{clients:3d} clients: bare {middle[0]:6.0f} op/s ({middle[1]:3.0f} us CPU), "
        f"ours {middle[2]:6.0f} op/s ({middle[3]:3.0f} us CPU), ratio {ratio:.2f} (CPU {cpu:.2f})"
    )
    for _, close in (*one, *other):
        await close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 10, 50])
    asked = parser.parse_args()
    cluster = make_cluster("local", run_id=new_run_id(), count=1)
    await cluster.up()
    try:
        system = Etcd(SystemOptions(settings={"unsafe_no_fsync": "true"}))
        await system.install(cluster)
        await system.start(cluster, cluster.nodes[0])
        await system.wait_ready(cluster, 20)
        print(f"etcd {system.release}")
        for clients in asked.clients:
            await compare(system, list(cluster.nodes), clients, asked.rounds, asked.seconds)
    finally:
        await cluster.down()


if __name__ == "__main__":
    asyncio.run(main())
