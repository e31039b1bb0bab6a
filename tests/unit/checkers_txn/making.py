"""Random small histories of transactions, from stores of several degrees of honesty."""

from __future__ import annotations

import itertools
import random
from typing import Any


def plan(
    rng: random.Random, model: str, count: int, keys: int, *, null: bool = False
) -> list[list[list[Any]]]:
    fresh = itertools.chain([None] if null else [], itertools.count(1))
    write = "append" if model == "append" else "w"
    plans = []
    for _ in range(count):
        ops = []
        for _ in range(rng.choice([1, 1, 2, 2, 3])):
            key = rng.randrange(keys)
            ops.append(["r", key, None] if rng.random() < 0.5 else [write, key, next(fresh)])
        plans.append(ops)
    return plans


def execute(op: list[Any], state: dict[Any, Any]) -> list[Any]:
    name, key, value = op
    if name == "append":
        state[key] = [*state.get(key, []), value]
    elif name == "w":
        state[key] = value
    else:
        return ["r", key, state.get(key)]
    return [name, key, value]


def history(
    rng: random.Random,
    model: str,
    count: int = 4,
    keys: int = 2,
    mode: str | None = None,
    clients: int | None = None,
    *,
    null: bool = False,
) -> list[dict[str, Any]]:
    """Events of some clients on a store that is serial, takes snapshots, or lets everything through.

    With `null`, one write is of null. In the modes but `honest`, `careful` (snapshot isolation) and `reckless` some
    outcomes are unknown or wrongly failed, and some reads are spoiled.
    """
    mode = mode or rng.choice(["serial", "snapshot", "loose", "stale"])
    plans = plan(rng, model, count, keys, null=null)
    events: list[dict[str, Any]] = []
    state: dict[Any, Any] = {}
    past = [{}]
    clients = clients or rng.randrange(1, 4)
    running: dict[int, dict[str, Any]] = {}
    time, process_of = 0, {client: client for client in range(clients)}
    while plans or running:
        time += rng.choice([0, 1, 1, 2])
        client = rng.randrange(clients)
        if client not in running:
            if plans:
                ops = plans.pop()
                running[client] = {"todo": list(ops), "done": [], "snapshot": None}
                events.append(ending(time, process_of[client], "invoke", ops))
            continue
        txn = running[client]
        step(rng, mode, txn, state, past)
        if not txn["todo"]:
            if mode in {"snapshot", "careful"}:
                commit(mode, txn, state)
            past.append(dict(state))
            del running[client]
            if mode in {"careful", "honest", "reckless"}:
                kind = "fail" if txn["done"] is None else "ok"
                events.append(ending(time, process_of[client], kind, txn["done"]))
            else:
                finish(rng, events, time, client, process_of, txn["done"])
    return numbered(events)


def commit(mode, txn, state) -> None:
    """Write what a transaction did to its snapshot; a careful store refuses if another wrote the same since."""
    written = {key for name, key, _ in txn["done"] if name != "r"}
    if mode == "careful" and any(state.get(key) != txn["before"].get(key) for key in written):
        txn["done"] = None
        return
    for key in written:
        state[key] = txn["snapshot"][key]


def step(rng, mode, txn, state, past) -> None:
    """Do a micro-operation, or in an honest store all of them at once."""
    if mode in {"serial", "honest"}:
        txn["done"] = [execute(op, state) for op in txn["todo"]]
        txn["todo"] = []
        return
    if mode == "stale" and all(op[0] == "r" for op in txn["todo"]) and not txn["done"]:
        old = dict(rng.choice(past[-3:]))
        txn["done"] = [execute(op, old) for op in txn["todo"]]
        txn["todo"] = []
        return
    if mode in {"snapshot", "careful"}:
        if txn["snapshot"] is None:
            txn["snapshot"], txn["before"] = dict(state), dict(state)
        txn["done"].append(execute(txn["todo"].pop(0), txn["snapshot"]))
        return
    txn["done"].append(execute(txn["todo"].pop(0), state))


def finish(rng, events, time, client, process_of, done) -> None:
    chance = rng.random()
    if chance < 0.1:
        if chance < 0.05:
            events.append(ending(time, process_of[client], "info", None))
        process_of[client] += 10
        return
    kind = "fail" if chance < 0.15 else "ok"
    value = [list(op) for op in done]
    if rng.random() < 0.05:
        reads = [op for op in value if op[0] == "r" and op[2]]
        if reads:
            spoiled = rng.choice(reads)
            spoiled[2] = spoiled[2][:-1] if isinstance(spoiled[2], list) else None
    events.append(ending(time, process_of[client], kind, value))


def ending(time, process, kind, value) -> dict[str, Any]:
    return {"time": time, "process": process, "type": kind, "f": "txn", "value": value}


def numbered(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"index": index, **event} for index, event in enumerate(events)]
