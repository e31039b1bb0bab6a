"""How fast transactions are judged: list-append and registers, without an anomaly and with one planted of each kind.

`python bench/transactions.py [--operations 1000000]` prints one row each. Operations are micro-operations (a read or an
append); transactions have four of them, and 20 clients run at once. The file is made and read before the clock starts.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

# The root before this folder, whose checkers.py is a benchmark.
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "quality")]

import planted  # noqa: E402

from quorate.checkers.transactions import Transactions  # noqa: E402
from quorate.harness.core.verdict import Limits  # noqa: E402
from quorate.harness.history.history import History  # noqa: E402
from quorate.harness.history.native import Handle  # noqa: E402

CLIENTS: Final = 20
OPS_EACH: Final = 4
WRITES_PER_KEY: Final = 32
KEYS_AT_ONCE: Final = 10
CHUNK: Final = 20_000


class Store:
    """A serial store: a transaction takes effect at its completion."""

    def __init__(self, rng: random.Random, model: str) -> None:
        self.rng = rng
        self.model = model
        self.keys = list(range(KEYS_AT_ONCE))
        self.next_key = KEYS_AT_ONCE
        self.state: dict[int, Any] = {}
        self.written: dict[int, int] = {}

    def plan(self) -> list[list[Any]]:
        """What a client asks for."""
        write = "append" if self.model == "append" else "w"
        ops = []
        for _ in range(OPS_EACH):
            slot = self.rng.randrange(KEYS_AT_ONCE)
            key = self.keys[slot]
            if self.rng.random() < 0.5:
                ops.append(["r", key, None])
                continue
            value = self.written[key] = self.written.get(key, 0) + 1
            ops.append([write, key, value])
            if value >= WRITES_PER_KEY:
                self.keys[slot] = self.next_key
                self.next_key += 1
        return ops

    def run(self, ops: list[list[Any]]) -> list[list[Any]]:
        """Do it all at once."""
        return [self.one(*op) for op in ops]

    def one(self, name: str, key: int, value: Any) -> list[Any]:
        """Do one micro-operation; returned with its result."""
        if name == "append":
            self.state[key] = [*self.state.get(key, []), value]
        elif name == "w":
            self.state[key] = value
        else:
            return [name, key, self.state.get(key)]
        return [name, key, value]


def events(rng: random.Random, model: str, transactions: int, plant: str | None) -> Iterator[dict[str, Any]]:
    """A valid history of clients on a serial store, one in a hundred outcomes unknown, with a plant near its end."""
    store = Store(rng, model)
    running: dict[int, list[list[Any]]] = {}
    index = begun = 0
    names = list(range(CLIENTS))
    while begun < transactions or running:
        client = rng.randrange(CLIENTS)
        base = {"index": index, "time": index * 1000, "process": names[client], "f": "txn"}
        if client in running:
            ops = running.pop(client)
            unknown = rng.random() < 0.01
            if unknown:
                names[client] += CLIENTS
            done = None if unknown and rng.random() < 0.5 else store.run(ops)
            yield {**base, "type": "info" if unknown else "ok", "value": None if unknown else done}
        elif begun < transactions:
            begun += 1
            running[client] = store.plan()
            yield {**base, "type": "invoke", "value": running[client]}
        else:
            continue
        index += 1
        if plant and begun * 10 > transactions * 9:
            for event in planted.events(planted.PLANTS[plant], index, index * 1000):
                index += 1
                yield event
            plant = None


def history(model: str, transactions: int, plant: str | None) -> History:
    handle = Handle("jsonl")
    encoder = msgspec.json.Encoder()
    chunk: list[dict[str, Any]] = []
    for event in events(random.Random(7), model, transactions, plant):
        chunk.append(event)
        if len(chunk) == CHUNK:
            handle.feed(encoder.encode_lines(chunk))
            chunk = []
    handle.feed(encoder.encode_lines(chunk))
    return History(handle, handle.finish())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--only", help="one plant")
    options = parser.parse_args()
    transactions = options.operations // OPS_EACH
    cells: list[tuple[str, str | None]] = [("append", None), ("rw", None)]
    cells += [(plant.model, name) for name, plant in planted.PLANTS.items()]
    print("| model | planted | verdict | found | strongest left | engine s | transactions/s | graph MB |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for model, plant in cells:
        if options.only and (plant or "-") != options.only:
            continue
        made = history(model, transactions, plant)
        start = time.process_time()
        checker = Transactions("append" if model == "append" else "rw")
        result = checker.check(made, Limits(memory_bytes=2 << 30))
        spent = time.process_time() - start
        found = ", ".join(sorted({anomaly.name for anomaly in result.anomalies})) or result.reason
        left = ", ".join(result.stats.get("strongest", []))
        rate = f"{result.operations / spent:,.0f}"
        row = (
            model,
            plant or "-",
            result.verdict,
            found,
            left,
            f"{spent:.3f}",
            rate,
            f"{result.memory_mb:.0f}",
        )
        print("|", " | ".join(row), "|")
    print(f"\npeak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
