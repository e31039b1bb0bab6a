"""A counterexample of transactions, judged alone, shows the anomaly by the same name, with little else."""

from __future__ import annotations

import json

import pytest

from quorate.checkers import check
from quorate.checkers.transactions_counterexample import encoded
from quorate.harness.history import Event, History


def history(*transactions):
    """Transactions one after the other: (process, what it did, with what it read)."""
    events = []
    for process, mops in transactions:
        at = len(events)
        asked = [[f, key, None if f == "r" else value] for f, key, value in mops]
        events.append(Event(at, at, process, "invoke", "txn", None, asked))
        events.append(Event(at + 1, at + 1, process, "ok", "txn", None, [list(mop) for mop in mops]))
    return History.of(events)


def filler(count):
    return [(9, [("append", f"other {number}", 1)]) for number in range(count)]


SKEW = [
    # What the two of the cycle saw was written by others, and the order of x is read by a third.
    (1, [("append", "x", 1)]),
    (2, [("append", "y", 1)]),
    *filler(30),
    (3, [("r", "x", [1]), ("append", "y", 2)]),
    (4, [("r", "y", [1]), ("append", "x", 2)]),
    (5, [("r", "x", [1, 2]), ("r", "y", [1, 2])]),
    *filler(30),
]
REGISTERS = [
    (1, [("w", "x", 1)]),
    (2, [("r", "x", 1), ("w", "x", 2)]),
    (3, [("r", "x", 1), ("w", "x", 3)]),
    (4, [("r", "x", 3), ("w", "y", 1)]),
]


@pytest.mark.parametrize(
    ("model", "expect", "transactions", "most"),
    [("append", "serializable", SKEW, 5), ("rw", "snapshot-isolation", REGISTERS, 3)],
)
def test_it_is_as_invalid_as_the_history_by_the_same_name(tmp_path, model, expect, transactions, most):
    whole = history(*transactions)
    result = check(whole, model, expect=expect)
    path = tmp_path / "counterexample.jsonl"
    path.write_bytes(encoded(whole, result, result.anomalies[0]))
    again = check(path, model, expect=expect)
    assert (result.verdict, again.verdict) == ("invalid", "invalid")
    assert result.anomalies[0].name in {one.name for one in again.anomalies}
    invoked = [json.loads(line) for line in path.read_text().splitlines()]
    assert len([one for one in invoked if one["type"] == "invoke"]) <= most
    # By its events alone it is another history: who wrote what was read is missing.
    assert {one["index"] for one in invoked} >= set(result.anomalies[0].events)


def test_of_anything_but_transactions_it_is_what_the_anomaly_shows():
    events = [Event(0, 0, 1, "invoke", "read"), Event(1, 1, 1, "ok", "read", None, 7)]
    result = check(events, "register")
    assert encoded(History.of(events), result, result.anomalies[0]).count(b"\n") == 2
