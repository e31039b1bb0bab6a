"""The exhaustive judge of small histories of transactions: every order is tried. Obvious, slow, and shares nothing
with the engine."""

from __future__ import annotations

from itertools import combinations, permutations
from typing import Any


class Txn:
    """A transaction: its micro-operations with what was read, when it ran, and what its client knows."""

    def __init__(self, place: int, events: list[dict[str, Any]], ends: int | None) -> None:
        invoke = events[place]
        end = events[ends] if ends is not None else None
        self.index = place
        self.outcome = "info" if end is None else end["type"]
        self.ops = end["value"] if self.outcome == "ok" and end else invoke["value"]
        self.process = invoke["process"]
        # Equal times only widen, also where all are equal: nothing is known to come before anything.
        self.start = invoke["time"]
        self.end = float("inf")
        if self.outcome == "ok" and end and ends is not None:
            self.end = end["time"]


def transactions(events: list[dict[str, Any]]) -> list[Txn]:
    found = []
    for place, event in enumerate(events):
        if event["type"] == "invoke":
            later = (at for at in range(place + 1, len(events)) if events[at]["process"] == event["process"])
            found.append(Txn(place, events, next(later, None)))
    return [one for one in found if one.outcome != "fail"]


def run(txn: Txn, state: dict[Any, Any], model: str) -> bool:
    """Do it; False if it had read something else."""
    for name, key, value in txn.ops:
        if name == "append":
            state[key] = [*state.get(key, []), value]
        elif name == "w":
            state[key] = value
        elif txn.outcome == "ok":
            empty: Any = [] if model == "append" else None
            if state.get(key, empty) != (value or empty if model == "append" else value):
                return False
    return True


def chosen(txns: list[Txn]):
    """All that certainly happened, with every choice of those of unknown outcome."""
    certain = [txn for txn in txns if txn.outcome == "ok"]
    unknown = [txn for txn in txns if txn.outcome != "ok"]
    for count in range(len(unknown) + 1):
        for some in combinations(unknown, count):
            yield [*certain, *some]


def in_order(order, level: str) -> bool:
    for at, late in enumerate(order):
        for early in order[:at]:
            if level == "strict-serializable" and late.end < early.start:
                return False
            same = late.process == early.process
            if level != "serializable" and same and late.outcome == "ok" and late.index < early.index:
                return False
    return True


def serializable(events: list[dict[str, Any]], model: str, level: str) -> bool:
    """Whether some order of the transactions explains every read; `level` says which orders count."""
    for some in chosen(transactions(events)):
        for order in permutations(some):
            state: dict[Any, Any] = {}
            if in_order(order, level) and all(run(txn, state, model) for txn in order):
                return True
    return False


def snapshot_isolated(events: list[dict[str, Any]], model: str, level: str = "snapshot-isolation") -> bool:
    """Whether each transaction can have read a snapshot of committed state, with no two at once writing a key.

    `level` says what must have committed before one begins: what its client had done, or all that had returned.
    """
    return any(_snapshots(some, model, level) for some in chosen(transactions(events)))


def _before(early: Txn, late: Txn, level: str) -> bool:
    """Whether the one must have committed when the other begins."""
    if level == "strong-snapshot-isolation" and early.end < late.start:
        return True
    mine = early.process == late.process and early.outcome == "ok" and early.index < late.index
    return level != "snapshot-isolation" and mine


def _snapshots(txns: list[Txn], model: str, level: str) -> bool:
    count = len(txns)
    writes = [{key for name, key, _ in txn.ops if name != "r"} for txn in txns]
    first = [{at for at, one in enumerate(txns) if _before(one, txn, level)} for txn in txns]

    def go(
        started: dict[int, dict[Any, Any]],
        since: dict[int, set[Any]],
        done: frozenset[int],
        state: dict[Any, Any],
    ):
        if len(done) == count:
            return True
        for at, txn in enumerate(txns):
            if at in done:
                continue
            if at not in started and not first[at] <= done:
                continue
            if at not in started:
                snapshot = dict(state)
                if run(txn, snapshot, model) and go(
                    {**started, at: snapshot}, {**since, at: set()}, done, state
                ):
                    return True
            elif not since[at] & writes[at]:
                after = {**state, **{key: started[at][key] for key in writes[at]}}
                touched = {other: keys | writes[at] for other, keys in since.items()}
                if go(started, touched, done | {at}, after):
                    return True
        return False

    return go({}, {}, frozenset(), {})
