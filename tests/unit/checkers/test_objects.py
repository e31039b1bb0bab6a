"""Models with their own rules: each finds what breaks it, with the operations that show it, and no more."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest

from quorate.checkers import check
from quorate.checkers.objects import object_models
from quorate.checkers.replies import refute
from quorate.checkers.replies_record import Certificate
from quorate.harness.core.counterexample import events as evidence_of
from quorate.harness.history import Event, History


def made(*operations):
    """Operations one after the other: (process, function, asked, outcome, answered)."""
    events = []
    for process, f, asked, outcome, answered in operations:
        at, key = len(events), None
        events += [
            Event(at, at, process, "invoke", f, key, asked),
            Event(at + 1, at + 1, process, outcome, f, key, answered),
        ]
    return History.of(events)


def reads(*balances):
    return [(number, "read", None, "ok", each) for number, each in enumerate(balances)]


MOVED = (0, "transfer", {"from": "a", "to": "b", "amount": 1}, "ok", None)
FORK = [
    (0, "write", [["w", 1, 1]], "ok", [["w", 1, 1]]),
    (1, "write", [["w", 2, 1]], "ok", [["w", 2, 1]]),
    (2, "read", [["r", 1, None], ["r", 2, None]], "ok", [["r", 1, 1], ["r", 2, None]]),
]
BROKEN = [
    ("bank", [MOVED, *reads({"a": 1, "b": 1}, {"a": 0, "b": 3})], "wrong total", 4),
    ("bank", reads({"a": 3, "b": -1}, {"a": 1, "b": 1}), "negative balance", 2),
    ("bank", reads({"a": 1, "b": 1}, {"a": 2}), "wrong accounts", 4),
    ("bank", reads({"a": 1, "b": None}), "no balance", 2),
    (
        "long-fork",
        [*FORK, (3, "read", [["r", 1, None], ["r", 2, None]], "ok", [["r", 1, None], ["r", 2, 1]])],
        "long fork",
        4,
    ),
    ("long-fork", [*FORK, (3, "read", [["r", 9, None]], "ok", [["r", 9, 4]])], "phantom value", 2),
    ("unique-ids", [(0, "generate", None, "ok", 4), (1, "generate", None, "ok", 4)], "duplicate id", 4),
    (
        "adya-g2",
        [
            (0, "insert", [7, [1, None]], "ok", [7, [1, None]]),
            (1, "insert", [7, [None, 2]], "ok", [7, [None, 2]]),
        ],
        "G2",
        4,
    ),
    ("monotonic", reads({"x": 2}, {"x": 1}), "value went back", 4),
    ("monotonic", [(0, "inc", None, "ok", 5), *reads(4)], "value went back", 4),
    (
        "causal",
        [(0, "read-init", None, "ok", 0), (0, "write", 1, "ok", 1), (0, "read", None, "ok", 0)],
        "causal reverse",
        4,
    ),
    ("causal", [(0, "write", 1, "ok", 1), (0, "read", None, "ok", 9)], "phantom value", 2),
    ("total-queue", [(0, "enqueue", 1, "ok", 1), (1, "drain", None, "ok", [])], "lost element", 4),
    ("total-queue", [(1, "dequeue", None, "ok", 3)], "phantom value", 2),
    (
        "total-queue",
        [(0, "enqueue", 1, "ok", 1), (1, "dequeue", None, "ok", 1), (1, "drain", None, "ok", [1])],
        "duplicate dequeue",
        6,
    ),
    (
        "multi-register",
        [
            (0, "txn", [["write", "x", 1]], "ok", [["write", "x", 1]]),
            (1, "txn", [["read", "x", None]], "ok", [["read", "x", 2]]),
        ],
        "no order",
        3,
    ),
]
SOUND = [
    ("bank", [MOVED, *reads({"a": 1, "b": 1}, {"a": 0, "b": 2})]),
    ("long-fork", [*FORK, (3, "read", [["r", 1, None], ["r", 2, None]], "ok", [["r", 1, 1], ["r", 2, 1]])]),
    ("unique-ids", [(0, "generate", None, "ok", 4), (1, "generate", None, "ok", "4")]),
    (
        "adya-g2",
        [(0, "insert", [7, [1, None]], "ok", [7, [1, None]]), (1, "insert", [7, [None, 2]], "fail", None)],
    ),
    ("monotonic", reads({"x": 1}, {"x": 1, "y": 4}, {"x": 3})),
    ("causal", [(0, "read-init", None, "ok", 0), (0, "write", 1, "ok", 1), (1, "read", None, "ok", 1)]),
    (
        "total-queue",
        [(0, "enqueue", 1, "ok", 1), (0, "enqueue", 1, "info", None), (1, "drain", None, "ok", [1, 1])],
    ),
    (
        "multi-register",
        [
            (0, "txn", [["write", "x", 1]], "ok", [["write", "x", 1]]),
            (1, "txn", [["read", "x", None]], "ok", [["read", "x", 1]]),
        ],
    ),
]
NOTHING_PROVED = [
    ("bank", reads({"a": 1})),
    ("long-fork", FORK),
    ("adya-g2", [(0, "insert", [7, [1, None]], "ok", [7, [1, None]])]),
    (
        "total-queue",
        [(0, "enqueue", 1, "ok", 1), (1, "dequeue", None, "info", None), (1, "drain", None, "ok", [])],
    ),
    ("total-queue", [(0, "enqueue", 1, "ok", 1)]),
    ("total-queue", [(0, "enqueue", 1, "ok", 1), (1, "drain", None, "ok", None)]),
    ("bank", [(0, "read", None, "ok", [1, 2])]),
]


@pytest.mark.parametrize(("model", "operations", "name", "events"), BROKEN)
def test_what_breaks_a_model_is_found_and_shown_by_few_operations(model, operations, name, events):
    history = made(*operations)
    result = check(history, model)
    assert (result.verdict, result.anomalies[0].name) == ("invalid", name)
    assert len(result.anomalies[0].events) == events
    assert result.anomalies[0].culprit in result.anomalies[0].events
    again = list(evidence_of(history, result.anomalies[0]))
    if name not in {"lost element", "phantom value", "duplicate dequeue"} or model == "total-queue":
        assert check(History.of(again), model).verdict == "invalid", "the sub-history shows it by itself"


@pytest.mark.parametrize(("model", "operations"), SOUND)
def test_what_keeps_a_model_is_valid(model, operations):
    assert check(made(*operations), model).verdict == "valid"


@pytest.mark.parametrize(("model", "operations"), NOTHING_PROVED)
def test_what_proves_nothing_is_unknown_with_a_reason(model, operations):
    result = check(made(*operations), model)
    assert (result.verdict, bool(result.reason)) == ("unknown", True)


def test_every_model_of_the_package_is_tried_here():
    assert {row[0] for row in BROKEN} == {row[0] for row in SOUND} == set(object_models())


def test_a_bank_takes_its_total_and_whether_balances_may_be_negative():
    below = made(*reads({"a": 3, "b": -1}))
    assert check(below, "bank", initial=2, settings={"negative": "yes"}).verdict == "valid"
    assert check(below, "bank", initial=3, settings={"negative": "yes"}).anomalies[0].name == "wrong total"
    assert check(below, "bank", initial={"a": 1, "b": 1}).anomalies[0].name == "negative balance"
    with pytest.raises(ValueError, match="negative: yes"):
        check(below, "bank", settings={"negativ": "yes"})


def test_monotonic_reads_agree_with_all_pairs():
    for seed in range(400):
        drawn = random.Random(seed)
        history, spans = _overlapping(drawn)
        wrong = any(
            one[1] < other[0] and other[2] < one[2] for one, other in itertools.permutations(spans, 2)
        )
        assert (check(history, "monotonic").verdict == "invalid") == wrong, seed


def _overlapping(drawn):
    """Reads of three clients that overlap, and the span and value of each."""
    events, spans, open_since = [], [], {}
    for at in range(14):
        process = drawn.randrange(3)
        if process in open_since:
            value = drawn.randrange(4) + at // 5
            events.append(Event(at, at, process, "ok", "read", None, value))
            spans.append((open_since.pop(process), at, value))
        else:
            events.append(Event(at, at, process, "invoke", "read"))
            open_since[process] = at
    if not spans:
        events.append(Event(14, 14, next(iter(open_since)), "ok", "read", None, 0))
    return History.of(events), spans


def test_total_queue_agrees_with_counting_what_could_have_been():
    for seed in range(400):
        drawn = random.Random(seed)
        operations, asked, sure, out = [], [], [], []
        for _ in range(drawn.randrange(1, 7)):
            value, outcome = drawn.randrange(3), drawn.choice(["ok", "info", "fail"])
            operations.append(
                (len(operations), "enqueue", value, outcome, value if outcome == "ok" else None)
            )
            asked += [value] if outcome != "fail" else []
            sure += [value] if outcome == "ok" else []
        left = [value for value in range(3) for _ in range(drawn.randrange(3))]
        operations.append((99, "drain", None, "ok", left))
        out = left
        wrong = any(
            out.count(value) > asked.count(value) or out.count(value) < sure.count(value)
            for value in range(3)
        )
        assert (check(made(*operations), "total-queue").verdict == "invalid") == wrong, seed


def test_long_forks_agree_with_orders_of_the_writes():
    for seed in range(300):
        drawn = random.Random(seed)
        writes = [(key, "write", [["w", key, 1]], "ok", [["w", key, 1]]) for key in range(3)]
        seen = [tuple(drawn.random() < 0.6 for _ in range(3)) for _ in range(3)]
        asked = [["r", key, None] for key in range(3)]
        answers = [[["r", key, 1 if there else None] for key, there in enumerate(one)] for one in seen]
        history = made(*writes, *[(9 + at, "txn", asked, "ok", one) for at, one in enumerate(answers)])
        prefixes = [
            {tuple(order.index(key) < size for key in range(3)) for size in range(4)}
            for order in itertools.permutations(range(3))
        ]
        possible = any(set(seen) <= each for each in prefixes)
        assert (check(history, "long-fork").verdict == "valid") == possible, seed


def test_a_multi_register_agrees_with_all_orders():
    for seed in range(120):
        drawn = random.Random(seed)
        operations = [_transaction(drawn) for _ in range(4)]
        # All four overlap, so any order of them is allowed.
        events = [
            Event(
                at,
                at,
                at,
                "invoke",
                "txn",
                None,
                [[kind, key, None if kind == "read" else value] for kind, key, value in one],
            )
            for at, one in enumerate(operations)
        ]
        events += [Event(4 + at, 4 + at, at, "ok", "txn", None, one) for at, one in enumerate(operations)]
        possible = any(_runs(order) for order in itertools.permutations(operations))
        assert (check(History.of(events), "multi-register").verdict == "valid") == possible, seed


def _transaction(drawn):
    return [
        [drawn.choice(["read", "write"]), drawn.choice("xy"), drawn.randrange(2)]
        for _ in range(drawn.randrange(1, 3))
    ]


def _runs(order):
    held = {}
    for kind, key, value in itertools.chain.from_iterable(order):
        if kind == "write":
            held[key] = value
        elif held.get(key) != value:
            return False
    return True


def keyed(*operations):
    """The same of several keys: (key, process, function, asked, answered), all of which succeed."""
    rows = made(
        *((process, f, asked, "ok", answered) for _, process, f, asked, answered in operations)
    ).events()
    keys = [key for key, *_ in operations for _ in range(2)]
    return History.of([msgspec.structs.replace(row, key=key) for row, key in zip(rows, keys, strict=True)])


def test_each_key_is_a_bank():
    moves = [(key, 0, "read", None, {"a": total, "b": 1}) for key, total in (("x", 1), ("y", 2), ("x", 1))]
    assert check(keyed(*moves), "bank").verdict == "valid"
    assert check(keyed(*moves[:2]), "bank").verdict == "unknown"
    broken = check(keyed(*moves, ("y", 1, "read", None, {"a": 1, "b": 1})), "bank")
    assert [one.key for one in broken.anomalies] == ["y"]


def test_money_is_added_as_it_is_written():
    assert check(made(*reads({"a": 0.1, "b": 0.2}, {"a": 0.3, "b": 0})), "bank").verdict == "valid"
    assert check(made(*reads({"a": 0.1, "b": 0.2}, {"a": 0.31, "b": 0})), "bank").verdict == "invalid"
    assert check(made(*reads({"a": 0.1, "b": 0.2})), "bank", initial=0.3).verdict == "valid"
    with pytest.raises(ValueError, match="a bank starts with a total"):
        check(made(*reads({"a": 1})), "bank", initial="much")


def test_each_key_is_a_queue_that_is_emptied_by_itself():
    enqueued = [("x", 0, "enqueue", 1, 1), ("y", 1, "enqueue", 2, 2)]
    result = check(keyed(*enqueued, ("y", 1, "drain", None, [2])), "total-queue")
    assert (result.verdict, result.anomalies) == ("unknown", [])
    assert check(keyed(*enqueued, ("x", 1, "drain", None, [])), "total-queue").anomalies[0].key == "x"


def test_where_times_tie_nothing_came_before():
    back = [Event(0, 5, 0, "invoke", "inc"), Event(1, 5, 0, "ok", "inc", None, 5)]
    back += [Event(2, 5, 1, "invoke", "read"), Event(3, 5, 1, "ok", "read", None, 3)]
    assert check(back, "monotonic").verdict == "valid"
    later = [*back, Event(4, 6, 1, "invoke", "read"), Event(5, 6, 1, "ok", "read", None, 4)]
    assert check(later, "monotonic").anomalies[0].culprit == 4
    tied = [Event(0, 5, 0, "invoke", "enqueue", None, 1), Event(1, 6, 0, "ok", "enqueue", None, 1)]
    tied += [Event(2, 6, 1, "invoke", "drain"), Event(3, 7, 1, "ok", "drain", None, [])]
    assert check(tied, "total-queue").verdict == "unknown"
    tied[2] = Event(2, 7, 1, "invoke", "drain")
    assert check(tied, "total-queue").verdict == "invalid"


def test_of_numbers_written_without_knowing_of_each_other_neither_comes_first():
    apart = [(0, "write", 1, "ok", 1), (1, "write", 2, "ok", 2), (1, "read", None, "ok", 1)]
    assert check(made(*apart), "causal").verdict == "valid"
    told = [
        apart[0],
        (1, "read", None, "ok", 1),
        *apart[1:],
        (2, "read", None, "ok", 2),
        (2, "read", None, "ok", 1),
    ]
    assert [one.name for one in check(made(*told), "causal").anomalies] == ["causal reverse"] * 2
    chain = [*told[:3], (2, "read", None, "ok", 2), (2, "write", 3, "ok", 3), (3, "read", None, "ok", 3)]
    assert check(made(*chain, (3, "read", None, "ok", 1)), "causal").verdict == "invalid"
    less = check(made((0, "write", 2, "ok", 2), (0, "write", 1, "ok", 1)), "causal")
    assert (less.verdict, "which its client knew of" in less.reason) == ("unknown", True)


@pytest.mark.parametrize(("model", "operations", "name", "events"), BROKEN)
def test_what_breaks_a_model_is_confirmed_by_its_definition(model, operations, name, events):
    del events
    history = made(*operations)
    result = check(history, model)
    assert result.confirmed_by == "definitions"
    certificate = msgspec.convert(result.anomalies[0].detail.certificate, Certificate)
    assert (certificate.kind, refute(history, [certificate])) == (f"{model}: {name}", None)
    for lie in (made(*sound) for other, sound in SOUND if other == model):
        last = lie.events()[-1].index
        forged = msgspec.structs.replace(certificate, events=list(range(last + 1)))
        assert refute(lie, [forged]) is not None, "no definition holds of a sound history"


def test_what_is_stated_of_the_start_is_part_of_the_certificate():
    history = made(*reads({"a": 3, "b": 1}))
    result = check(history, "bank", initial=5)
    (certificate,) = msgspec.convert([result.anomalies[0].detail.certificate], list[Certificate])
    assert (certificate.initial, refute(history, [certificate])) == (5, None)
    assert refute(history, [msgspec.structs.replace(certificate, initial=4)]) is not None


def test_registers_that_are_read_in_one_step_are_not_ordered_by_ties():
    write, read = [["write", "x", 1]], [["read", "x", None]]
    tied = [Event(0, 5, 0, "invoke", "txn", None, write), Event(1, 5, 0, "ok", "txn", None, write)]
    tied += [Event(2, 5, 1, "invoke", "txn", None, read), Event(3, 6, 1, "ok", "txn", None, read)]
    assert check(tied, "multi-register").verdict == "valid"
    tied[2] = Event(2, 6, 1, "invoke", "txn", None, read)
    assert check(tied, "multi-register").verdict == "invalid"


def test_registers_of_which_nothing_was_answered_show_nothing():
    write, read = [["write", "x", 1]], [["read", "x", None]]
    silent = [(0, "txn", write, "ok", write), (1, "txn", read, "ok", None)]
    assert check(made(*silent), "multi-register").verdict == "valid"
    told = (1, "txn", read, "ok", read)
    result = check(made(*silent, told), "multi-register")
    assert (result.verdict, result.confirmed_by) == ("invalid", "definitions")
