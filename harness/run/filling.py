"""The store before the load: as large as `--set store_size=` asks for, so that snapshots, starts and copies take time.

What is written lies beside the keys of workloads and is not part of the history; replicas are compared with it in the
end. Written through clients, so that every service with registers can have it.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from quorate.harness.core.capabilities import Client, Registers
from quorate.harness.core.duration import parse_size
from quorate.harness.core.node import Cluster
from quorate.harness.core.outcome import Broken, OutcomeError
from quorate.harness.core.system import System

MOST: Final = 200_000_000  # bytes: below what etcd takes by default, ten times over
_PIECE: Final = 50_000  # bytes of one value
_AT_ONCE: Final = 8
_TIMEOUT_S: Final = 10.0
_TRIES: Final = 5
_DEADLINE_S: Final = 120.0


def size_of(text: str) -> int:
    """Return the bytes that are asked for; raise `ValueError` for what is not a size, and for more than `MOST`."""
    size = parse_size(text)
    if not 1 <= size <= MOST:
        raise ValueError(f"give a size from 1B to {MOST // 1_000_000}MB")
    return size


async def fill(system: System, cluster: Cluster, size: int) -> int:
    """Write that many bytes in pieces, a handful at a time; return how many pieces. Raise `Broken` where it fails."""
    lengths = [min(_PIECE, size - at) for at in range(0, size, _PIECE)]
    waiting = list(enumerate(lengths))
    clients = [
        await system.client([cluster.nodes[number % len(cluster.nodes)]], _TIMEOUT_S)
        for number in range(min(_AT_ONCE, len(lengths)))
    ]
    try:
        async with asyncio.timeout(_DEADLINE_S):
            await asyncio.gather(*(_write(client, waiting) for client in clients))
    except TimeoutError:
        done = len(lengths) - len(waiting)
        raise Broken(
            "not-filled", f"{done} of {len(lengths)} pieces of store_size were written in {_DEADLINE_S:g} s"
        ) from None
    finally:
        await asyncio.gather(*(client.close() for client in clients))
    return len(lengths)


async def _write(client: Client, waiting: list[tuple[int, int]]) -> None:
    registers = cast("Registers", client)
    while waiting:
        number, length = waiting.pop()
        for attempt in range(_TRIES):
            try:
                await registers.write(f"filled-{number}", "x" * max(0, length - 2))  # and its quotes
                break
            except OutcomeError as error:  # the same once more changes nothing
                if attempt == _TRIES - 1:
                    raise Broken("not-filled", f"store_size cannot be written: {error}") from error
                await asyncio.sleep(0.1 * (attempt + 1))
