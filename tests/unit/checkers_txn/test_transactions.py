"""Transactions against an exhaustive judge, the replay of what is called valid, and the ways to say `unknown`."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from pathlib import Path

import pytest

from quorate.checkers.transactions import Transactions, append, rw
from quorate.checkers.transactions_verify import replay
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import History
from quorate.harness.history.native import Handle

HERE = Path(__file__).parent
SEEDS = 1_000
SNAPSHOTS = ("snapshot-isolation", "strong-session-snapshot-isolation", "strong-snapshot-isolation")
LEVELS = ("serializable", "strong-session-serializable", "strict-serializable")


def beside(name: str):
    spec = importlib.util.spec_from_file_location(f"checkers_txn_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


making, serial = beside("making"), beside("serial")


def read(events) -> History:
    handle = Handle("jsonl")
    handle.feed("".join(json.dumps(event) + "\n" for event in events).encode())
    return History(handle, handle.finish())


def txn(index, process, kind, value, **more):
    return {
        "index": index,
        "time": index,
        "process": process,
        "type": kind,
        "f": "txn",
        "value": value,
        **more,
    }


def random_history(seed):
    rng = random.Random(seed)
    model = rng.choice(["append", "append", "rw"])
    events = making.history(rng, model, count=rng.choice([3, 4, 4, 5]), keys=rng.choice([1, 2, 2, 3]))
    return model, events


def test_agrees_with_the_exhaustive_judge_and_every_valid_verdict_replays():
    seen = {}
    for seed in range(SEEDS):
        model, events = random_history(seed)
        history = read(events)
        for level in LEVELS:
            checker = Transactions(model, level)
            result = checker.check(history, Limits())
            right = serial.serializable(events, model, level)
            assert result.verdict == (Verdict.VALID if right else Verdict.INVALID), (
                seed,
                model,
                level,
                result,
            )
            seen[level, result.verdict] = seen.get((level, result.verdict), 0) + 1
            if right:
                order = checker.order(history)
                problem = replay(history, order, model, real_time=level == "strict-serializable")
                assert problem is None, (seed, level)
            else:
                assert result.anomalies
                assert all(anomaly.events and anomaly.sentence for anomaly in result.anomalies)
        level = SNAPSHOTS[seed % 3]
        snapshots = Transactions(model, level).check(history, Limits())
        right = serial.snapshot_isolated(events, model, level)
        assert snapshots.verdict == (Verdict.VALID if right else Verdict.INVALID), (
            seed,
            model,
            level,
            snapshots,
        )
    assert all(seen[level, verdict] > SEEDS // 10 for level in LEVELS for verdict in ("valid", "invalid"))


def test_of_two_that_wrote_one_key_one_had_committed_before_the_other_began():
    """No client reads key x in the end. Neither can be first: each missed what the other wrote."""
    events = [
        txn(0, 1, "invoke", [["r", "y", None], ["append", "x", 1]]),
        txn(1, 0, "invoke", [["r", "x", None], ["append", "x", 2], ["append", "y", 3]]),
        txn(2, 0, "ok", [["r", "x", []], ["append", "x", 2], ["append", "y", 3]]),
        txn(3, 1, "ok", [["r", "y", []], ["append", "x", 1]]),
    ]
    (anomaly,) = append("snapshot-isolation").check(read(events), Limits()).anomalies
    assert (anomaly.name, anomaly.key, anomaly.events) == ("G-single", "x", [0, 1, 2, 3])
    assert append("parallel-snapshot-isolation").check(read(events), Limits()).verdict == Verdict.INVALID
    without = [
        {**event, "value": event["value"][:-1]} if event["process"] == 0 else event for event in events
    ]
    assert append("snapshot-isolation").check(read(without), Limits()).verdict == Verdict.VALID


def test_writes_that_nobody_read_conflict_by_real_time_too():
    """A late reader saw 2 and not 1, so 1 came first; who wrote 2 had begun before, and read the beginning."""
    events = [
        txn(0, 2, "invoke", [["r", "x", None], ["w", "x", 2]]),
        txn(1, 0, "invoke", [["w", "x", 1]]),
        txn(2, 0, "ok", [["w", "x", 1]]),
        txn(3, 2, "ok", [["r", "x", None], ["w", "x", 2]]),
        txn(4, 5, "invoke", [["r", "x", None]]),
        txn(5, 5, "ok", [["r", "x", 2]]),
    ]
    (anomaly,) = rw("strong-snapshot-isolation").check(read(events), Limits()).anomalies
    assert anomaly.name == "write-conflict-realtime"
    assert {0, 1, 2, 3} <= set(anomaly.events)
    assert rw("snapshot-isolation").check(read(events), Limits()).verdict == Verdict.VALID


def test_null_that_was_written_is_told_from_the_beginning():
    seen = {}
    for seed in range(600):
        rng = random.Random(seed)
        events = making.history(rng, "rw", count=rng.choice([3, 4, 5]), keys=rng.choice([1, 2]), null=True)
        level = rng.choice(LEVELS)
        verdict = rw(level).check(read(events), Limits()).verdict
        right = serial.serializable(events, "rw", level)
        # Unknown where a write of null may or may not have happened.
        assert verdict in {Verdict.VALID if right else Verdict.INVALID, Verdict.UNKNOWN}, (
            seed,
            level,
            verdict,
        )
        seen[verdict] = seen.get(verdict, 0) + 1
    assert seen[Verdict.VALID] > 300
    assert seen[Verdict.INVALID] > 60
    assert seen.get(Verdict.UNKNOWN, 0) < 20, seen


def test_snapshot_isolation_is_decided_where_every_version_was_seen():
    """With a last look at all keys there is nothing left to guess, and the answer is exact."""
    verdicts = {True: 0, False: 0}
    for seed in range(1500):
        rng = random.Random(seed)
        mode = rng.choice(["careful", "reckless"])
        events = making.history(rng, "append", count=3, keys=2, mode=mode, clients=3)
        if any(event["type"] == "fail" for event in events) or not complete(events):
            continue
        result = append("snapshot-isolation").check(read(events), Limits())
        right = serial.snapshot_isolated(events, "append")
        assert (result.verdict == Verdict.VALID) == right, (seed, result)
        verdicts[right] += 1
    assert min(verdicts.values()) > 10


def longest(events, key):
    lists = [op[2] or [] for e in events if e["type"] == "ok" for op in e["value"] if op[:2] == ["r", key]]
    return max(lists, key=len, default=[])


def complete(events):
    """Whether some read shows all appends, for each key."""
    last = {key: longest(events, key) for key in (0, 1)}
    done = [op for e in events if e["type"] == "ok" for op in e["value"] if op[0] == "append"]
    return all(value in last[key] for _, key, value in done)


def test_a_wrong_order_does_not_replay():
    events = [
        txn(0, 0, "invoke", [["append", "x", 1]]),
        txn(1, 0, "ok", [["append", "x", 1]]),
        txn(2, 1, "invoke", [["r", "x", None]]),
        txn(3, 1, "ok", [["r", "x", [1]]]),
        txn(4, 2, "invoke", [["append", "x", 2]]),
        txn(5, 2, "ok", [["append", "x", 2]]),
        txn(6, 3, "invoke", [["append", "y", 1]]),
        txn(7, 3, "fail", [["append", "y", 1]]),
    ]
    history = read(events)
    assert append().order(history) == [0, 2, 4]
    assert replay(history, [0, 2, 4]) is None
    assert "where []" in replay(history, [2, 0, 4])
    assert "where [1, 2]" in replay(history, [0, 4, 2])
    assert "missing" in replay(history, [0, 2])
    assert "twice" in replay(history, [0, 2, 4, 4])
    assert "may have happened" in replay(history, [0, 2, 4, 6])
    assert "had returned" in replay(read([*events[:2], *events[4:6]]), [4, 0])


def test_the_limits_are_kept_and_told():
    rng = random.Random(3)
    events = making.history(rng, "append", count=3000, keys=40, mode="honest", clients=5)
    history = read(events)
    late = append().check(history, Limits(time_s=0.0))
    assert (late.verdict, "time limit" in late.reason) == (Verdict.UNKNOWN, True)
    small = append().check(history, Limits(memory_bytes=100_000))
    assert (small.verdict, "limit is 0 MiB" in small.reason) == (Verdict.UNKNOWN, True)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([["append", 1]], "is not a list like"),
        ([["inc", 1, 2]], '"inc" is not an operation of this model'),
        ([["w", 1, 2]], '"w" is not an operation of this model'),
        ({"a": 1}, "is not a list like"),
        ("text", "is not a list like"),
        ([["r", 1, 5]], "is not a list like"),
    ],
)
def test_what_is_no_transaction_is_unknown_with_its_index(value, reason):
    result = append().check(read([txn(0, 0, "invoke", value), txn(1, 0, "ok", value)]), Limits())
    assert result.verdict == Verdict.UNKNOWN
    assert "index 0" in result.reason
    assert reason in result.reason


def test_nothing_to_judge_is_unknown():
    events = [{**txn(0, 0, "invoke", None), "f": "read"}, {**txn(1, 0, "ok", 1), "f": "read"}]
    result = rw().check(read(events), Limits())
    assert (result.verdict, "no transaction" in result.reason) == (Verdict.UNKNOWN, True)


def test_a_value_appended_twice_gives_no_verdict_but_hides_no_anomaly():
    twice = [
        txn(0, 0, "invoke", [["append", 1, 1]]),
        txn(1, 0, "ok", [["append", 1, 1]]),
        txn(2, 0, "invoke", [["append", 1, 1]]),
        txn(3, 0, "ok", [["append", 1, 1]]),
        txn(4, 1, "invoke", [["r", 1, None]]),
        txn(5, 1, "ok", [["r", 1, [1, 1]]]),
    ]
    result = append().check(read(twice), Limits())
    assert (result.verdict, "more than one operation" in result.reason) == (Verdict.UNKNOWN, True)
    stale = [*twice, txn(6, 2, "invoke", [["r", 2, None]]), txn(7, 2, "ok", [["r", 2, [7]]])]
    assert append().check(read(stale), Limits()).verdict == Verdict.INVALID


def test_unknown_names_are_refused_with_what_there_is():
    with pytest.raises(ValueError, match="append, rw"):
        Transactions("list")
    with pytest.raises(ValueError, match="snapshot-isolation"):
        append("really-good")
    assert append("PL-3").expect == "serializable"


def test_unknown_outcomes_count_only_if_seen():
    seen = [
        txn(0, 0, "invoke", [["append", "x", 1], ["append", "y", 1]]),
        txn(1, 0, "info", None),
        txn(2, 1, "invoke", [["r", "x", None]]),
        txn(3, 1, "ok", [["r", "x", [1]]]),
        txn(4, 1, "invoke", [["r", "y", None]]),
        txn(5, 1, "ok", [["r", "y", None]]),
    ]
    result = append().check(read(seen), Limits())
    assert {anomaly.name for anomaly in result.anomalies} == {"G-single-process"}
    assert append("serializable").check(read(seen), Limits()).verdict == Verdict.VALID
    unseen = [*seen[:2], txn(2, 1, "invoke", [["r", "x", None]]), txn(3, 1, "ok", [["r", "x", None]])]
    assert append().check(read(unseen), Limits()).verdict == Verdict.VALID


def test_keys_and_values_may_be_anything():
    key, value = {"a": [1, "]"]}, 'quoted "text", [with] \\ brackets'
    events = [
        txn(0, 0, "invoke", [["append", key, value], ["append", -1, 1.5]]),
        txn(1, 0, "ok", [["append", key, value], ["append", -1, 1.5]]),
        txn(2, 1, "invoke", [["r", key, None], ["r", -1, None]]),
        txn(3, 1, "ok", [["r", key, [value]], ["r", -1, []]]),
    ]
    result = append().check(read(events), Limits())
    assert {anomaly.name for anomaly in result.anomalies} == {"G-single", "OTV"}
    assert result.anomalies[0].key in (key, -1)
    assert result.anomalies[0].detail.transactions[0].value


def test_a_store_without_isolation_is_told_in_time():
    """Thousands of transactions in one knot of dependencies: named, and within the limit."""
    events = making.history(random.Random(5), "append", count=4000, keys=5, mode="reckless", clients=10)
    result = append().check(read(events), Limits(time_s=20))
    assert result.verdict == Verdict.INVALID
    assert result.time_s < 20
    assert all(len(anomaly.detail.cycle) != 1 for anomaly in result.anomalies)
