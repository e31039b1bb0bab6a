"""Transactions of a serial store, valid by construction: never called anything but valid.

Each takes effect at one moment between its two events; some clients never learn the outcome; keys are read several
times in a transaction; most writes of registers are never read. With one read changed they are invalid for certain.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from quorate.checkers.transactions import Transactions
from quorate.harness.core.verdict import Limits, Verdict
from tests.unit.checkers_txn.test_transactions import read


def made(seed: int, model: str, count: int) -> list[dict[str, Any]]:
    """A history of `count` transactions; clients, keys and the share of reads and unknown outcomes are drawn."""
    rng = random.Random(seed)
    clients, keys = rng.choice([2, 5, 10, 20]), rng.choice([2, 5, 10, 50])
    reads, unknown = rng.choice([0.2, 0.4, 0.7]), rng.choice([0, 0.01, 0.05])
    write = "append" if model == "append" else "w"
    state: dict[int, Any] = {}
    running: dict[int, dict[str, Any]] = {}
    free, fresh, value, time = list(range(clients)), clients, 0, 0
    events: list[dict[str, Any]] = []

    def event(process: int, kind: str, ops: list[list[Any]] | None) -> None:
        events.append(
            {"index": len(events), "time": time, "process": process, "type": kind, "f": "txn", "value": ops}
        )

    while count or running:
        time += rng.randrange(1, 1000)
        if count and free and (not running or rng.random() < 0.5):
            count -= 1
            process = free.pop(rng.randrange(len(free)))
            ops: list[list[Any]] = []
            for _ in range(rng.randrange(1, 6)):
                key = rng.randrange(keys)
                value += 1
                ops.append(["r", key, None] if rng.random() < reads else [write, key, value])
            running[process] = {"ops": ops, "done": None}
            event(process, "invoke", ops)
            continue
        process = rng.choice(list(running))
        txn = running[process]
        if txn["done"] is None:
            txn["done"] = [_do(op, state) for op in txn["ops"]]
            continue
        del running[process]
        lost = rng.random() < unknown
        event(process, "info" if lost else "ok", None if lost else txn["done"])
        free.append(fresh if lost else process)
        fresh += lost
    return events


def _do(op: list[Any], state: dict[int, Any]) -> list[Any]:
    name, key, value = op
    if name == "append":
        state[key] = [*state.get(key, []), value]
    elif name == "w":
        state[key] = value
    else:
        return ["r", key, state.get(key)]
    return op


@pytest.mark.parametrize("model", ["append", "rw"])
@pytest.mark.parametrize("seed", range(15))
def test_a_serial_store_is_valid_at_every_level(model, seed):
    history = read(made(seed, model, 400))
    result = Transactions(model).check(history, Limits(time_s=20))
    assert (result.verdict, result.stats["strongest"]) == (Verdict.VALID, ["strict-serializable"])


@pytest.mark.parametrize("model", ["append", "rw"])
@pytest.mark.parametrize("seed", range(15))
def test_a_value_that_was_never_written_is_invalid(model, seed):
    events = made(seed, model, 200)
    reads = [
        op for event in events if event["type"] == "ok" for op in event["value"] if op[0] == "r" and op[2]
    ]
    spoiled = random.Random(seed).choice(reads)
    spoiled[2] = [*spoiled[2], -1] if model == "append" else -1
    result = Transactions(model, "read-uncommitted").check(read(events), Limits(time_s=20))
    assert result.verdict == Verdict.INVALID


def test_registers_that_mostly_nobody_read_are_decided():
    """Fixed bounds gave up from 27 transactions on."""
    for seed in range(3):
        result = Transactions("rw").check(read(made(seed, "rw", 3_000)), Limits(time_s=30))
        assert result.verdict == Verdict.VALID, (seed, result.reason)
