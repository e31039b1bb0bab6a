"""The Consul and ZooKeeper clients against bare loops on the same transport and server: `python bench/clients.py`.

One server each, half reads and half writes over 16 keys, 1, 10 and 50 logical clients with a connection each. Both
loops do the same requests in turns of a second or so; the figure is the median of the ratios of neighbouring turns, so
that other load on the machine cancels out. Goals: 0.85, and for ZooKeeper 5,000 operations a second. As root.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import statistics
import struct
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from kazoo.protocol.serialization import Connect, GetData, ReplyHeader, SetData

from quorate.harness.cluster import make_cluster, new_run_id
from quorate.harness.core.system import SystemOptions
from quorate.harness.systems.consul import Consul
from quorate.harness.systems.zookeeper import ZooKeeper

KEYS = 16
DEADLINE_S = 5.0

Operation = Callable[[int], Awaitable[object]]
Loop = tuple[Operation, Callable[[], Awaitable[None]]]


async def bare_consul(address: str) -> Loop:
    """The least that Python can do over aiohttp: the same requests, JSON read, nothing judged."""
    http = aiohttp.ClientSession(headers={"Accept-Encoding": "identity"}, auto_decompress=False)
    base = f"http://{address}:8500/v1"

    async def operation(turn: int) -> object:
        key = f"quorate/register/k{turn % KEYS}"
        if turn % 2:
            value = base64.b64encode(b"%d" % turn).decode()
            body = json.dumps([{"KV": {"Verb": "set", "Key": key, "Value": value}}])
            async with http.put(f"{base}/txn", data=body) as answer:
                return json.loads(await answer.read())
        async with http.get(f"{base}/kv/{key}") as answer:
            content = await answer.read()
            return json.loads(content) if content else None

    return operation, http.close


class Bare(asyncio.Protocol):
    """A ZooKeeper connection that never looks at an error: about the least that kazoo's codec allows."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Any, asyncio.Future[Any]]] = deque()
        self.buffer = b""
        self.xid = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Cut frames and hand them on."""
        self.buffer += data
        while len(self.buffer) >= 4:
            end = 4 + struct.unpack_from("!i", self.buffer)[0]
            if len(self.buffer) < end:
                return
            frame, self.buffer = self.buffer[4:end], self.buffer[end:]
            record, future = self.waiting.popleft()
            if record is None:
                future.set_result(None)
                continue
            _header, offset = ReplyHeader.deserialize(frame, 0)
            future.set_result(record.deserialize(frame, offset))

    def send(self, record: Any, payload: bytes) -> asyncio.Future[Any]:
        """Write a frame."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting.append((record, future))
        self.transport.write(struct.pack("!i", len(payload)) + payload)
        return future

    def request(self, record: Any) -> asyncio.Future[Any]:
        """Write a request."""
        self.xid += 1
        return self.send(record, struct.pack("!ii", self.xid, record.type) + record.serialize())


async def bare_zookeeper(address: str) -> Loop:
    """The same requests on the same codec."""
    _, link = await asyncio.get_running_loop().create_connection(Bare, address, 2181)
    await link.send(None, bytes(Connect(0, 0, 15_000, 0, b"\0" * 16, False).serialize()))

    async def operation(turn: int) -> object:
        key = f"/quorate/register/k{turn % KEYS}"
        if turn % 2:
            return await link.request(SetData(key, json.dumps(turn).encode(), -1))
        data, _stat = await link.request(GetData(key, False))
        return json.loads(data)

    async def close() -> None:
        link.transport.close()

    return operation, close


def ours(client: Any) -> Loop:
    """The client as workloads use it."""

    async def operation(turn: int) -> object:
        key = f"k{turn % KEYS}"
        return await (client.write(key, turn) if turn % 2 else client.read(key))

    return operation, client.close


async def rate(operations: list[Operation], seconds: float) -> tuple[float, float]:
    """Operations per second with all loops at once, and CPU microseconds an operation."""
    end = time.perf_counter() + seconds

    async def loop(operation: Operation) -> int:
        turn = 0
        while time.perf_counter() < end:
            await operation(turn)
            turn += 1
        return turn

    begun, cpu = time.perf_counter(), time.process_time()
    done = sum(await asyncio.gather(*(loop(operation) for operation in operations)))
    return done / (time.perf_counter() - begun), (time.process_time() - cpu) / done * 1e6


async def compare(
    system: Any, bare: Callable[[str], Awaitable[Loop]], nodes: list, asked: Any, clients: int
) -> None:
    """Print one line: both rates, both costs, and their ratio."""
    one = [await bare(nodes[0].address) for _ in range(clients)]
    made = [await system.client(nodes, DEADLINE_S) for _ in range(clients)]
    other = [ours(client) for client in made]
    write = made[0].write
    for key in range(KEYS):
        await write(f"k{key}", 0)  # every key exists
    for pairs in (other, one):
        await rate([operation for operation, _ in pairs], 0.3)
    seen: list[tuple[float, float, float, float]] = []
    for turn in range(asked.rounds):
        order = (one, other) if turn % 2 else (other, one)
        found = {
            id(pairs): await rate([operation for operation, _ in pairs], asked.seconds) for pairs in order
        }
        seen.append((*found[id(one)], *found[id(other)]))
    ratio = statistics.median(ours_ / bare_ for bare_, _, ours_, _ in seen)
    cost = statistics.median(bare_ / ours_ for _, bare_, _, ours_ in seen)
    middle = [statistics.median(column) for column in zip(*seen, strict=True)]
    print(
        f"{clients:3d} clients: bare {middle[0]:6.0f} op/s ({middle[1]:3.0f} us CPU), "
        f"ours {middle[2]:6.0f} op/s ({middle[3]:3.0f} us CPU), ratio {ratio:.2f}, of CPU {cost:.2f}",
        flush=True,
    )
    for _, close in (*one, *other):
        await close()


async def measure(kind: type[Any], release: str, bare: Callable[[str], Awaitable[Loop]], asked: Any) -> None:
    """One server of a kind, all numbers of clients."""
    cluster = make_cluster("local", run_id=new_run_id(), count=1)
    await cluster.up()
    try:
        # Plain reads: the figure is about the client, and a sync is a second request.
        settings = {"reads": "plain"} if kind is ZooKeeper else {"reads": "default"}
        system = kind(SystemOptions(release=release, settings=settings))
        await system.install(cluster)
        await system.start(cluster, cluster.nodes[0])
        await system.wait_ready(cluster, 30)
        print(f"{system.name} {system.release}")
        for clients in asked.clients:
            await compare(system, bare, list(cluster.nodes), asked, clients)
    finally:
        await cluster.down()


async def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("systems", nargs="*", default=["consul", "zookeeper"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 10, 50])
    asked = parser.parse_args()
    if "zookeeper" in asked.systems:
        await measure(ZooKeeper, "3.9.4", bare_zookeeper, asked)
    if "consul" in asked.systems:
        await measure(Consul, "1.8.7", bare_consul, asked)


if __name__ == "__main__":
    asyncio.run(main())
