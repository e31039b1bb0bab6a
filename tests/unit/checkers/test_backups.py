"""What came back from a backup against a history: what is wrong by hand, what is right, and what decides nothing."""

from __future__ import annotations

import pytest

from quorate.checkers.backup_facts import Fact, Stranger, facts
from quorate.checkers.backups import GUARANTEE, Taken, judge
from quorate.harness.core.backup import Backup, Difference, Held, Reached, Restored
from quorate.harness.history.event import Event, Operation

MS = 1_000_000
SILENT = Reached()


def operation(number, f, key, value, begin, end, outcome="ok", version=None, answer=None):
    """An operation by process `number` between two times, in milliseconds; without an end it was never answered."""
    invoke = Event(2 * number, begin * MS, number, "invoke", f, key, value)
    if end is None:
        return Operation(invoke, None)
    shown = value if answer is None else answer
    return Operation(invoke, Event(2 * number + 1, end * MS, number, outcome, f, key, shown, version=version))


def write(number, key, value, begin, end, outcome="ok", version=None):
    return operation(number, "write", key, value, begin, end, outcome, version)


def held(key, value, version=1, space="register"):
    return Held(space, key, value, version)


def backup(*cells, position=100, asked=50, received=60, reached=SILENT, **more):
    one = Backup(
        "n1",
        asked_s=0.0,
        received_s=0.01,
        left_s=0.0,
        reached=reached,
        restored=Restored(position, tuple(cells)),
        **more,
    )
    return Taken("0001", one, asked * MS, received * MS)


def judged(operations, taken):
    return judge(operations, [taken])


def names(result):
    return [one.name for one in result.anomalies]


A, B = write(1, "k1", 1, 0, 10), write(2, "k2", 2, 20, 30)  # the one acknowledged before the other began
BOTH = (write(1, "k1", 1, 0, 25), write(2, "k2", 2, 20, 30))  # at the same time
TWO = [["w", "x", 1], ["w", "y", 2]]
PUT = [["append", "x", 1], ["append", "y", 2]]
FRESH = Reached(None, confirmed=True)


@pytest.mark.parametrize(
    ("operations", "taken", "anomaly"),
    [
        # One cut through the order of the writes.
        ([A, B], backup(held("k2", 2)), "torn backup"),
        ([A, B], backup(held("k1", 1)), None),
        ([A, B], backup(), None),
        ([A, B], backup(held("k1", 1), held("k2", 2)), None),
        (BOTH, backup(held("k2", 2)), None),
        # The service's own order, where time says nothing.
        (
            [write(1, "k1", 1, 0, 25, version=4), write(2, "k2", 2, 20, 30, version=5)],
            backup(held("k2", 2, 5), position=5),
            "lost from backup",
        ),
        (
            [write(1, "k1", 1, 0, 25, version=5), write(2, "k2", 2, 20, 30, version=4)],
            backup(held("k2", 2, 4), position=4),
            None,
        ),
        # An answer that never came: the write may be there or not, and what came before it may not be lacking.
        ([A, write(2, "k2", 2, 20, None)], backup(held("k2", 2)), "torn backup"),
        ([write(1, "k1", 1, 0, None), B], backup(held("k2", 2)), None),
        # An older value of a key, which shows what is lacking by itself.
        ([A, write(2, "k1", 2, 20, 30)], backup(held("k1", 1)), None),
        (
            [A, write(2, "k1", 2, 20, 30), write(3, "k3", 3, 40, 45)],
            backup(held("k1", 1), held("k3", 3)),
            "torn backup",
        ),
        # Compare and set, elements, lists, transactions.
        ([operation(1, "cas", "k1", [0, 1], 0, 10), B], backup(held("k2", 2)), "torn backup"),
        (
            [operation(1, "add", "s", 1, 0, 10), operation(2, "add", "s", 2, 20, 30)],
            backup(held("s", 2, space="set")),
            "torn backup",
        ),
        (
            [operation(1, "add", "s", 1, 0, 10), operation(2, "add", "s", 2, 20, 30)],
            backup(held("s", 1, space="set")),
            None,
        ),
        (
            [operation(1, "txn", None, TWO, 0, 10)],
            backup(held("x", 1, space="txn")),
            "half a transaction in backup",
        ),
        (
            [operation(1, "txn", None, TWO, 0, 10)],
            backup(held("x", 1, space="txn"), held("y", 2, space="txn")),
            None,
        ),
        (
            [operation(1, "txn", None, PUT, 0, 10)],
            backup(held("x", [1], space="txn")),
            "half a transaction in backup",
        ),
        (
            [operation(1, "txn", None, PUT, 0, 10), operation(2, "txn", None, [["append", "x", 3]], 20, 30)],
            backup(held("x", [1], space="txn"), held("y", [2], space="txn")),
            None,
        ),
        # A key that a transaction writes twice.
        (
            [operation(1, "txn", None, [["w", "x", 1], ["w", "x", 2]], 0, 10, version=7)],
            backup(held("x", 2, 7, space="txn")),
            None,
        ),
        # No client wrote it, or it was refused.
        ([A], backup(held("k1", 9)), "phantom in backup"),
        ([A, write(2, "k1", 2, 20, 30, "fail")], backup(held("k1", 2)), "refused write in backup"),
        ([A, write(2, "k1", 2, 20, 30, "info")], backup(held("k1", 2)), None),
        ([A], backup(held("k1", 1), held("filled-3", "xxx")), None),
        # What its member had reached, and what a quorum had confirmed.
        ([A], backup(reached=FRESH), "lost from backup"),
        ([write(1, "k1", 1, 0, 55)], backup(reached=FRESH), None),
        ([A], backup(), None),
        ([A], backup(held("k1", 1), position=7, reached=Reached(8)), "backup is behind"),
        ([A], backup(held("k1", 1), position=8, reached=Reached(8)), None),
        ([write(1, "k1", 1, 0, 10, version=6)], backup(position=6), "lost from backup"),
        ([write(1, "k1", 1, 0, 10, version=7)], backup(position=6), None),
        # The future.
        ([write(1, "k1", 1, 61, 70)], backup(held("k1", 1)), "later write in backup"),
        ([write(1, "k1", 1, 59, 70)], backup(held("k1", 1)), None),
        ([write(1, "k1", 1, 0, 10, version=101)], backup(held("k1", 1, 100)), "later write in backup"),
        ([A], backup(held("k1", 1, 101)), "backup beyond its position"),
    ],
)
def test_a_backup_is_a_prefix_or_not(operations, taken, anomaly):
    result = judged(operations, taken)
    assert names(result) == ([] if anomaly is None else [anomaly])
    assert result.verdict == ("valid" if anomaly is None else "invalid")
    assert result.guarantee == GUARANTEE
    for one in result.anomalies:
        assert one.sentence.startswith("the backup of n1 at position ")
        assert all(
            index in {e.index for op in operations for e in (op.invoke, op.completion) if e}
            for index in one.events
        )


def test_the_sentence_names_both_writes_and_the_time_between_them():
    (anomaly,) = judged([A, B], backup(held("k2", 2))).anomalies
    assert anomaly.sentence == (
        "the backup of n1 at position 100 holds p2's write of 2 to k2, and lacks p1's write of 1 to k1, acknowledged "
        "10.000 ms before the other was invoked"
    )
    assert anomaly.events == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("queue", "inside"),
    [
        ([held("q", 1, space="queue")], {1: True, 2: False}),
        ([], {1: False, 2: False}),
    ],
)
def test_what_is_in_a_queue(queue, inside):
    operations = [operation(1, "enqueue", "q", 1, 0, 10), operation(2, "enqueue", "q", 2, 20, 30)]
    assert {one.value: one.inside for one in facts(operations, queue)} == inside
    # What was taken is in none whatever the backup's moment, and a dequeue without an answer may have taken anything.
    taken = [*operations, operation(3, "dequeue", "q", None, 40, 50, answer=2)]
    assert 2 not in {one.value for one in facts(taken, queue)}
    open_ = [*operations, operation(3, "dequeue", "q", None, 40, None)]
    assert all(one.inside for one in facts(open_, queue))


def test_what_was_written_twice_or_deleted_decides_nothing():
    twice = [write(1, "k1", 1, 0, 10), write(2, "k1", 1, 20, 30), write(3, "k1", 3, 40, 50)]
    assert facts(twice, [held("k1", 1)]) == []
    assert facts([write(1, "k1", 1, 0, 10), write(2, "k1", None, 20, 30)], []) == []


def test_side_by_side_keys_carry_their_workload():
    operations = [
        operation(1, "register/write", "register/k1", 1, 0, 10),
        operation(2, "append/txn", "append", [["append", "k1", 1]], 20, 30),
    ]
    found = facts(operations, [held("register/k1", 1), held("append/k1", [1], space="txn")])
    assert [(one.key, one.inside) for one in found if isinstance(one, Fact)] == [
        ("register/k1", True),
        ("append/k1", True),
    ]
    assert not [one for one in found if isinstance(one, Stranger)]


def not_restored(**more):
    return Taken("0001", Backup("n1", 0.0, 0.01, 0.0, **more), 50 * MS, 60 * MS)


@pytest.mark.parametrize(
    ("taken", "verdict", "anomaly"),
    [
        (not_restored(whole=False, refused="its hash is wrong"), "unknown", None),
        (not_restored(whole=True, refused="its hash is wrong"), "invalid", "backup is damaged"),
        (backup(held("k1", 1), whole=False), "invalid", "partial backup accepted"),
    ],
)
def test_the_restoring_tool_must_know_whole_from_cut(taken, verdict, anomaly):
    result = judged([A], taken)
    assert (result.verdict, names(result)) == (verdict, [] if anomaly is None else [anomaly])
    if verdict == "unknown":
        assert result.reason == "none of 1 backups was restored"


def test_without_anything_to_compare_nothing_is_known():
    assert judge([A], []).reason == "no backup was taken"
    assert judged([operation(1, "read", "k1", None, 0, 10)], backup(held("k1", 1))).verdict == "unknown"


def test_one_that_may_hold_what_came_while_it_was_written_is_held_to_the_rest():
    def fuzzy(*cells):
        restored = Restored(5, tuple(cells), exact=False)
        return Taken("0001", Backup("n1", 0.0, 0.01, 0.0, restored=restored), 50 * MS, 60 * MS)

    first, second = write(1, "k1", 1, 0, 25, version=5), write(2, "k2", 2, 20, 30, version=6)
    assert judged([first, second], fuzzy(held("k1", 1, 5), held("k2", 2, 6))).verdict == "valid"
    assert judged([first, second], fuzzy(held("k1", 1, 5))).verdict == "valid"
    assert names(judged([first, second], fuzzy(held("k2", 2, 6)))) == ["lost from backup"]
    assert names(judged([A, B], fuzzy(held("k2", 2, 6)))) == ["torn backup"]


def test_when_the_time_ends_what_was_not_judged_is_unknown():
    result = judge([A], [backup(held("k1", 1))], time_s=-1.0)
    assert (result.verdict, result.reason) == ("unknown", "0 of 1 backups were judged before the time ended")


def test_what_the_cluster_held_at_the_same_position():
    same = Restored(7, compared=3)
    other = Restored(7, compared=3, differences=(Difference("/lock/a", "missing", '"x"'),))
    one = Backup("n1", 0.0, 0.01, 0.0, restored=same)
    assert judged([], Taken("0001", one, 0, 0)).verdict == "valid"
    result = judged([], Taken("0001", Backup("n1", 0.0, 0.01, 0.0, restored=other), 0, 0))
    assert names(result) == ["backup differs"]
    assert 'is missing in it and was "x" in the cluster' in result.anomalies[0].sentence
