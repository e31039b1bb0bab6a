"""No-op operations per second through generator, runner and journal, and what a thousand clients cost against ten.

    python bench/runner.py [OPERATIONS]

Each client waits one turn of the event loop per operation, so that operations really overlap. Targets: at least
100,000 operations per second on one core with the journal on, and at 1,000 clients at most twice the cost of 10.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median

from quorate.harness.core.clock import RealClock
from quorate.harness.core.outcome import Reply
from quorate.harness.generators import Generator, Invocation, by_key, each, limit, mix, repeat
from quorate.harness.history import Journal
from quorate.harness.history.event import Event
from quorate.harness.run.runner import Connection, Recorder, drive

_REPLY = Reply()


class NoOp:
    """A client that does nothing."""

    async def close(self) -> None:
        """Do nothing."""


async def perform(_client: NoOp, _invocation: Invocation) -> Reply:
    await asyncio.sleep(0)
    return _REPLY


async def open_client(_thread: int, _process: int) -> Connection:
    return Connection(NoOp(), "n1")


def flat(rng: Random) -> Generator:
    return mix(
        (1, repeat(Invocation("read", "k"))), (1, each(lambda n, _: Invocation("write", "k", n))), rng=rng
    )


def keyed(rng: Random) -> Generator:
    return by_key(lambda _key, r: flat(r), rng=rng, threads_per_key=5, operations_per_key=200)


def run(
    clients: int,
    operations: int,
    make: Callable[[Random], Generator],
    append: Callable[[Event], object] | None,
) -> float:
    """Return microseconds of CPU per operation."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "history.jsonl.zst") if append is None else None
        sink = journal.append if journal is not None else append
        recorder = Recorder(sink, RealClock(), clients)
        begin = time.process_time()
        stats = asyncio.run(
            drive(
                limit(operations, make(Random(7))),
                perform=perform,
                open_client=open_client,
                recorder=recorder,
                timeout_s=10,
                deadline_s=600,
            )
        )
        if journal is not None:
            journal.close()
        assert stats.ok == operations
        return (time.process_time() - begin) / operations * 1e6


def main() -> None:
    operations = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    for name, make in (("mix", flat), ("by_key of mix", keyed)):
        for with_journal in (False, True):
            cost = {
                clients: median(
                    run(clients, operations, make, None if with_journal else (lambda _event: None))
                    for _ in range(3)
                )
                for clients in (10, 1000)
            }
            label = f"{name}, journal {'on' if with_journal else 'off'}"
            print(
                f"{label:28} 10 clients {1e6 / cost[10]:9,.0f} ops/s ({cost[10]:.1f} µs CPU)   "
                f"1,000 clients {1e6 / cost[1000]:9,.0f} ops/s ({cost[1000]:.1f} µs)   "
                f"ratio {cost[1000] / cost[10]:.2f}"
            )


if __name__ == "__main__":
    main()
