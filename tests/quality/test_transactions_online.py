"""Transactions judged event by event: an alarm is final, what is wrong is found by the end, and memory stays flat."""

from __future__ import annotations

import copy
import random
from collections import Counter
from typing import Any

import pytest

from quorate.checkers.forgetting.transactions import ATOMIC, DIRTY, REAL_TIME, STRICT
from quorate.checkers.online import Online, judge_of
from quorate.checkers.online_transactions import OnlineTransactions
from quorate.checkers.transactions import Transactions
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History
from tests.quality import planted
from tests.unit.checkers_txn import making

SEED = 20_261_100
LEVELS = (
    "read-committed",
    "cursor-stability",
    "monotonic-atomic-view",
    "read-atomic",
    "consistent-view",
    "repeatable-read",
    "parallel-snapshot-isolation",
    "snapshot-isolation",
    "serializable",
    "strong-session-read-committed",
    "strong-session-snapshot-isolation",
    "strong-session-serializable",
    "strong-read-committed",
    "strong-snapshot-isolation",
    "strict-serializable",
)
MODES = ("serial", "snapshot", "loose", "stale", "honest", "careful", "reckless")


def offline(model: str, level: str, events: list[Event]) -> Verdict:
    return Transactions(model, level).check(History.of(events), Limits()).verdict


def made(seed: int, model: str, **more: Any) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    count = more.pop("count", None) or rng.choice([3, 4, 5, 6, 8, 12, 20])
    return making.history(
        rng, model, count=count, keys=rng.choice([1, 2, 3]), mode=more.pop("mode", rng.choice(MODES)), **more
    )


def alarm(online: OnlineTransactions, events: list[Event]) -> int | None:
    """Feed all; return how many events had been fed when the alarm came."""
    for number, event in enumerate(events, 1):
        if online.feed(event) is not None:
            return number
    return len(events) if online.look() is not None else None


@pytest.mark.parametrize("model", ["append", "rw"])
@pytest.mark.parametrize("block", range(3))
def test_small_histories_are_judged_as_offline(model, block):
    tally: Counter[tuple[str, bool]] = Counter()
    for number in range(200):
        seed = SEED + 1000 * block + number
        events = [Event(**event) for event in made(seed, model)]
        verdict = offline(model, "strict-serializable", events)
        for batch in (1, 4):
            found = alarm(OnlineTransactions(model, batch=batch), events)
            tally[verdict, found is not None] += 1
            assert (found is not None) == (verdict == "invalid"), f"seed {seed}, batch {batch}: {verdict}"
            # Nothing that comes after an alarm makes the history valid again.
            for end in range(found, len(events)) if found else ():
                assert offline(model, "strict-serializable", events[:end]) == "invalid", f"seed {seed}"
    assert min(tally[Verdict.VALID, False], tally[Verdict.INVALID, True]) > 60, (
        f"too few prove nothing: {tally}"
    )


@pytest.mark.parametrize("model", ["append", "rw"])
@pytest.mark.parametrize("twisted", [False, True], ids=["values once", "values again"])
def test_no_model_is_said_to_be_broken_that_is_not(model, twisted):
    """Whatever is forgotten, up to nearly everything, and even where values do not show who wrote them."""
    alarms = 0
    for number in range(400):
        seed = SEED + 10_000 + number
        rng = random.Random(seed)
        plain = made(seed, model)
        events = [Event(**event) for event in (twist(rng, plain, model) if twisted else plain)]
        level = rng.choice(LEVELS)
        online = OnlineTransactions(model, level, batch=rng.choice([1, 2, 5]), most=rng.choice([2, 6, 1000]))
        found = alarm(online, events)
        for end in range(found, len(events) + 1) if found else ():
            assert offline(model, level, events[:end]) != "valid", f"false alarm: seed {seed}, {level}"
        alarms += found is not None
    assert alarms > 30, f"{alarms} prove nothing"


def twist(rng: random.Random, plain: list[dict[str, Any]], model: str) -> list[dict[str, Any]]:
    """Change a read, or let a value be written twice, by null too."""
    events = copy.deepcopy(plain)
    for event in rng.sample(events, min(2, len(events))):
        if not event["value"]:
            continue
        op = rng.choice(event["value"])
        if op[0] != "r":
            old, new = op[2], rng.choice([1, 2, 3] if model == "append" else [None, 1, 2])
            for other in (each for one in events for each in one["value"] or ()):
                if other[:2] == op[:2] and other[2] == old:
                    other[2] = new
        elif event["type"] == "ok" and model == "rw":
            op[2] = rng.choice([None, rng.randrange(8)])
        elif event["type"] == "ok" and op[2]:
            lists = [[*op[2], rng.randrange(9)], [*op[2], op[2][0]], op[2][1:], [*op[2][:-1], 5]]
            op[2] = rng.choice(lists)
    return events


@pytest.mark.parametrize("model", ["append", "rw"])
def test_what_is_forgotten_costs_no_alarm(model):
    """A single read of a long history of a serial store is changed to what was read of the key at another time."""
    tally: Counter[tuple[str, bool]] = Counter()
    for number in range(60):
        rng = random.Random(SEED + number)
        plain = made(SEED + number, model, count=120, mode="honest", clients=5)
        done = [event for event in plain if event["type"] == "ok"]
        reads = [op for event in done for op in event["value"] if op[0] == "r"]
        spoiled = rng.choice(reads[len(reads) * 2 // 3 :])
        if number % 3:
            spoiled[2] = rng.choice([op[2] for op in reads if op[1] == spoiled[1]])
        events = [Event(**event) for event in plain]
        online = OnlineTransactions(model, batch=rng.choice([1, 10]))
        found = alarm(online, events)
        assert found is not None or online.held < 60, f"{online.held} of 120 held"
        verdict = offline(model, "strict-serializable", events)
        tally[verdict, found is not None] += 1
        assert (found is not None) == (verdict == "invalid"), f"seed {SEED + number}: {verdict}"
    assert min(tally[Verdict.VALID, False], tally[Verdict.INVALID, True]) > 8, (
        f"too few prove nothing: {tally}"
    )


@pytest.mark.parametrize("name", sorted(planted.PLANTS))
def test_each_plant_is_found_while_the_crowd_goes_on(name):
    plant, batch = planted.PLANTS[name], 100
    crowd = made(11, plant.model, count=300, mode="honest", clients=5)
    before = [Event(**event) for event in crowd]
    bad = list(planted.events(plant, len(before), 10**6))
    start = len(before) + len(bad)
    after = [
        Event(
            **{**event, "index": start + at, "time": 10**7 + event["time"], "process": 50 + event["process"]}
        )
        for at, event in enumerate(rename(crowd))
    ]
    online = OnlineTransactions(plant.model, batch=batch)
    for event in before:
        assert online.feed(event) is None
    found = alarm(online, [*(Event(**event) for event in bad), *after])
    assert found is not None
    assert found <= len(bad) + batch, "the next look tells"
    assert online.anomaly is not None
    assert online.anomaly.sentence


def rename(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same on other keys."""
    return [
        {**event, "value": event["value"] and [[f, f"more {key}", value] for f, key, value in event["value"]]}
        for event in events
    ]


@pytest.mark.parametrize("model", ["append", "rw"])
@pytest.mark.parametrize("outcome", ["ok", "info", "fail"])
def test_memory_is_flat(model, outcome):
    """Keys are left for fresh ones, every fifth write is of the outcome given, and some keys are never read."""
    write, most = "append" if model == "append" else "w", 60
    online = OnlineTransactions(model, batch=50, most=most)
    state: dict[str, list[int]] = {}
    index = held = 0

    def step(process: int, kind: str, ops: list[list[Any]]) -> None:
        nonlocal index, held
        assert online.feed(Event(index, index * 10, process, kind, "txn", None, ops)) is None
        index, held = index + 1, max(held, online.held)

    for number in range(3000):
        key, unread = f"k{number // 40}", f"u{number // 7}"
        ops = [["r", key, None], [write, key, number], [write, unread, number]]
        unsure = number % 5 == 0
        step(number, "invoke", ops)
        if unsure and outcome != "ok":
            step(number, outcome, ops)
            continue
        there = state.setdefault(key, [])
        ops[0][2] = list(there) if model == "append" else (there[-1] if there else None)
        there.append(number)
        step(number, "ok", ops)
    assert online.look() is None
    assert held < most + 50, f"{held} transactions held"
    assert not online.blind
    # The keys in use are judged still: this reader missed everything.
    step(number + 1, "invoke", [["r", key, None]])
    step(number + 1, "ok", [["r", key, [] if model == "append" else None]])
    assert online.look() is not None


def test_the_levels_are_those_of_the_engine():
    """A read of the future, and a read that disagrees with the transaction's own: who forbids it?"""
    future = [("invoke", 0, 1, [["r", "x", None]]), ("ok", 0, 2, [["r", "x", [1]]])]
    future += [("invoke", 1, 3, [["append", "x", 1]]), ("ok", 1, 4, [["append", "x", 1]])]
    inside = [("invoke", 0, 1, [["append", "x", 1], ["r", "x", None]])]
    inside += [("ok", 0, 2, [["append", "x", 1], ["r", "x", []]])]
    aborted = [("invoke", 0, 1, [["append", "x", 1]]), ("fail", 0, 2, [["append", "x", 1]])]
    aborted += [("invoke", 1, 3, [["r", "x", None]]), ("ok", 1, 4, [["r", "x", [1]]])]
    names = {*LEVELS, *STRICT, *DIRTY}

    def forbidding(rows: list[Any]) -> set[str]:
        events = [
            Event(at, time, who, kind, "txn", None, ops) for at, (kind, who, time, ops) in enumerate(rows)
        ]
        return {level for level in names if offline("append", level, events) == "invalid"}

    assert forbidding(future) == REAL_TIME
    assert forbidding(inside) == ATOMIC
    assert forbidding(aborted) == names - DIRTY


@pytest.mark.parametrize("value", [7, [["r", "x"]], [["append", "x", 1, 2]], [["cas", "x", 1]], "txn", [7]])
def test_what_is_no_transaction_is_judged_no_more(value):
    online = OnlineTransactions("append", batch=1)
    assert online.feed(Event(0, 1, 0, "invoke", "txn", None, value)) is None
    assert online.look() is None
    assert (online.blind, online.held) == (True, 0)


def test_what_is_called_at_the_time_of_an_answer_may_have_been_read():
    """The write comes later in the stream, at the same time: ties widen."""
    online = OnlineTransactions("append", batch=1)
    rows = [("invoke", 0, 1, [["r", "x", None]]), ("ok", 0, 2, [["r", "x", [1]]])]
    rows += [("invoke", 1, 2, [["append", "x", 1]]), ("ok", 1, 3, [["append", "x", 1]])]
    events = [Event(at, time, who, kind, "txn", None, ops) for at, (kind, who, time, ops) in enumerate(rows)]
    assert alarm(online, events) is None


def test_who_judges_what():
    assert isinstance(judge_of("rw", [Transactions("rw")]), OnlineTransactions)
    assert isinstance(judge_of("queue", []), Online)
    assert judge_of(None, []) is None


def test_models_that_allow_dirty_reads_wait_for_the_end():
    assert OnlineTransactions("append", "read-uncommitted").blind
    assert judge_of("append", [Transactions("append", "read-uncommitted")]) is None
    with pytest.raises(ValueError, match='"lists"'):
        OnlineTransactions("lists")  # type: ignore[arg-type]
