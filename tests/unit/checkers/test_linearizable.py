"""Verdicts, names and sentences of planted anomalies; models recognised; limits; online checking."""

from __future__ import annotations

import random
import time

import pytest

from quorate.checkers import MODELS, Linearizable, ModelError, check, recognise
from quorate.checkers.online import Online
from quorate.checkers.verify import verify
from quorate.checkers.versions import VersionsNeverRegress
from quorate.harness.core import counterexample
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History

SECOND = 10**9


def told(*steps: tuple) -> list[Event]:
    """Operations one after another: process, function, argument, result (default: as asked), kind, version."""
    events: list[Event] = []
    for process, f, argument, *rest in steps:
        result = rest[0] if rest else argument
        kind = rest[1] if len(rest) > 1 else "ok"
        version = rest[2] if len(rest) > 2 else None
        at = len(events)
        events.append(Event(at, at * SECOND, process, "invoke", f, None, argument))
        events.append(Event(at + 1, (at + 1) * SECOND, process, kind, f, None, result, version=version))
    return events


PLANTED = [
    (
        "register",
        "stale read",
        [(1, "write", 17), (1, "write", 18), (5, "read", None, 18), (3, "read", None, 17)],
    ),
    ("register", "lost write", [(1, "write", 17), (1, "write", 18), (3, "read", None, 17)]),
    ("register", "phantom value", [(1, "write", 17), (3, "read", None, 99)]),
    ("register", "future value", [(3, "read", None, 17), (1, "write", 17)]),
    ("cas-register", "double cas", [(1, "write", 1), (1, "cas", [1, 2]), (2, "cas", [1, 3])]),
    (
        "cas-register",
        "stale cas",
        [(1, "write", 1), (1, "write", 2), (3, "read", None, 2), (2, "cas", [1, 3])],
    ),
    ("queue", "duplicate dequeue", [(1, "enqueue", 5), (2, "dequeue", None, 5), (3, "dequeue", None, 5)]),
    ("queue", "phantom value", [(1, "enqueue", 5), (2, "dequeue", None, 6)]),
    ("queue", "false empty", [(1, "enqueue", 5), (2, "dequeue", None, None)]),
    ("queue", "lost element", [(1, "enqueue", 5), (1, "enqueue", 6), (2, "dequeue", None, 6)]),
    (
        "queue",
        "reordered queue",
        [(1, "enqueue", 5), (1, "enqueue", 6), (2, "dequeue", None, 6), (2, "dequeue", None, 5)],
    ),
    ("set", "lost element", [(1, "add", 5), (2, "contains", 5, False)]),
    ("set", "phantom element", [(2, "contains", 5, True)]),
    ("set", "lost element", [(1, "add", 5), (1, "add", 6), (2, "read", None, [6])]),
    ("counter", "lost increment", [(1, "add", 2), (1, "add", 2), (2, "read", None, 2)]),
    ("counter", "phantom increment", [(1, "add", 2), (2, "read", None, 4)]),
    ("lock", "double grant", [(1, "acquire", None), (2, "acquire", None)]),
    ("lock", "taken twice", [(1, "acquire", None), (1, "acquire", None)]),
    # He who held it all the time says more than he who took it twice.
    ("lock", "double grant", [(1, "acquire", None), (2, "acquire", None), (2, "acquire", None)]),
    ("lock", "release without hold", [(1, "release", None)]),
    ("set", "duplicate element", [(1, "add", 5), (2, "read", None, [5, 5])]),
    ("set", "phantom element", [(1, "add", 5), (2, "read", None, [5, 6])]),
    (
        "fenced-lock",
        "token went back",
        [(1, "acquire", None, 5), (1, "release", None), (2, "acquire", None, 4)],
    ),
]


@pytest.mark.parametrize(
    ("model", "name", "steps"), PLANTED, ids=[f"{m}-{n}-{i}" for i, (m, n, _) in enumerate(PLANTED)]
)
def test_planted_anomalies_are_found_and_named(model: str, name: str, steps: list[tuple]) -> None:
    result = check(told(*steps), model=model)
    assert result.verdict is Verdict.INVALID
    (anomaly,) = result.anomalies
    assert anomaly.name == name, anomaly.sentence
    assert anomaly.culprit in anomaly.events
    assert "p" in anomaly.sentence
    assert "s" in anomaly.sentence


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        ([(1, "write", 1, None, "info")], Verdict.UNKNOWN),
        ([(1, "write", 1, 1, "fail"), (2, "write", 2, None, "info")], Verdict.UNKNOWN),
        ([(1, "cas", [7, 9], [7, 9], "fail"), (2, "write", 2, None, "info")], Verdict.UNKNOWN),
        ([(1, "cas", [7, 9], 2, "fail"), (2, "write", 2, None, "info")], Verdict.INVALID),
        ([(2, "write", 2, None, "info"), (1, "cas", [7, 9], 2, "fail")], Verdict.VALID),
        ([(2, "read", None, None)], Verdict.VALID),
    ],
)
def test_where_nothing_is_known_nothing_is_proved(steps: list[tuple], verdict: Verdict) -> None:
    assert check(told(*steps), model="cas-register").verdict is verdict


def test_the_sentence_names_process_value_and_time() -> None:
    (anomaly,) = check(told(*PLANTED[0][2]), model="register").anomalies
    assert anomaly.sentence == (
        "p3 read 17 at 7.000 s, but 18 had been written by p1 and read by p5 before p3 asked"
    )


def test_a_double_grant_says_until_when_it_was_held() -> None:
    steps = [(1, "acquire", None), (2, "acquire", None), (1, "release", None), (2, "release", None)]
    (anomaly,) = check(told(*steps), model="lock").anomalies
    assert anomaly.sentence == (
        "p2 took the lock at 3.000 s, but p1 had taken it at 1.000 s and asked to give it back only at 4.000 s"
    )
    assert len(anomaly.events) == 4, "the releases change nothing"


def test_a_counterexample_of_a_large_set_speaks_of_one_element_alone() -> None:
    adds = [(n % 5, "add", n) for n in range(200)]
    missing = [n for n in range(200) if n != 117]
    events = told(*adds, (8, "read", None, missing))
    history = History.of(events)
    result = check(history, model="set")
    (anomaly,) = result.anomalies
    assert anomaly.detail.elements == [117]
    assert anomaly.detail.minimal
    assert anomaly.sentence == (
        "p8 did not see 117 in the set at 401.000 s, but p2 had added it at 235.000 s and no client removed it"
    )
    part = list(counterexample.events(history, anomaly))
    assert [(event.f, event.value) for event in part if event.type == "ok"] == [("add", 117), ("read", [])]
    assert check(part, model="set").verdict is Verdict.INVALID


def test_reads_that_contradict_each_other_are_told_by_one_element() -> None:
    events = told((1, "add", 1, None, "info"), (2, "add", 2, None, "info"), (3, "read", None, [1, 9]))
    assert check(events, model="set").anomalies[0].detail.elements == [9]
    steps = [(1, "add", 1, None, "info"), (2, "add", 2, None, "info"), (3, "add", 3)]
    steps += [(4, "read", None, [1, 3]), (5, "read", None, [2, 3])]
    (anomaly,) = check(told(*steps), model="set").anomalies
    assert anomaly.detail.elements == [1]
    assert anomaly.name == "stale read"


def test_a_correct_history_comes_with_a_witness_that_replays() -> None:
    events = told((1, "write", 1), (2, "cas", [1, 2]), (3, "read", None, 2), (4, "cas", [7, 9], 2, "fail"))
    judgement = Linearizable("cas-register").judge(History.of(events), Limits())
    assert judgement.result.verdict is Verdict.VALID
    orders = [(witness.key, witness.order) for witness in judgement.witnesses]
    assert verify(events, "cas-register", orders) is None
    wrong = [(key, list(reversed(order))) for key, order in orders]
    assert verify(events, "cas-register", wrong) is not None
    assert verify(events, "cas-register", [(None, orders[0][1][:-2])]) is not None


def test_a_refused_compare_that_says_what_it_saw_is_a_read() -> None:
    steps = [(1, "write", 1), (1, "write", 2), (2, "cas", [7, 9], 1, "fail")]
    assert check(told(*steps), model="cas-register").verdict is Verdict.INVALID
    steps[2] = (2, "cas", [7, 9], [7, 9], "fail")
    assert check(told(*steps), model="cas-register").verdict is Verdict.VALID


def test_ties_of_time_only_widen() -> None:
    events = told((1, "write", 1), (2, "read", None, None))
    late = [
        *events[:2],
        *(Event(e.index, SECOND, e.process, e.type, e.f, None, e.value) for e in events[2:3]),
        events[3],
    ]
    assert check(events, model="register").verdict is Verdict.INVALID
    assert check(late, model="register").verdict is Verdict.VALID


def test_models_are_recognised() -> None:
    assert recognise(History.of(told((1, "write", 1), (1, "cas", [1, 2])))) == "cas-register"
    assert recognise(History.of(told((1, "acquire", None, 3)))) == "fenced-lock"
    assert recognise(History.of(told((1, "add", 3), (1, "read", None, [3])))) == "set"
    assert recognise(History.of(told((1, "add", 3), (1, "read", None, 3)))) == "counter"
    with pytest.raises(ModelError, match="unordered-queue"):
        recognise(History.of(told((1, "enqueue", 3))))
    assert {"register", "append", "rw"} <= set(MODELS)


def test_versions_that_go_back_are_told() -> None:
    steps = [(1, "write", 1, None, "ok", 4), (2, "read", None, 1, "ok", 3)]
    result = VersionsNeverRegress().check(History.of(told(*steps)), Limits())
    assert result.verdict is Verdict.INVALID
    assert "version 3" in result.anomalies[0].sentence
    steps[1] = (2, "read", None, 1, "ok", 4)
    assert VersionsNeverRegress().check(History.of(told(*steps)), Limits()).verdict is Verdict.VALID
    assert (
        VersionsNeverRegress().check(History.of(told((1, "write", 1))), Limits()).verdict is Verdict.UNKNOWN
    )


def test_a_limit_makes_it_unknown_with_the_longest_prefix() -> None:
    random_ = random.Random(1)
    events = [Event(at, at, at, "invoke", "enqueue", None, at % 2) for at in range(60)]
    events += [Event(60 + at, 60 + at, at, "ok", "enqueue", None, at % 2) for at in range(60)]
    values = [random_.randrange(2) for _ in range(59)] + [2]
    for value in values:
        at = len(events)
        events.append(Event(at, at, 100, "invoke", "dequeue"))
        events.append(Event(at + 1, at + 1, 100, "ok", "dequeue", None, value))
    begun = time.monotonic()
    result = check(events, model="queue", limits=Limits(time_s=0.5, memory_bytes=64 << 20))
    assert result.verdict in (Verdict.UNKNOWN, Verdict.INVALID)
    assert time.monotonic() - begun < 5
    if result.verdict is Verdict.UNKNOWN:
        assert "limit" in result.reason
        assert "explained" in result.reason


def workload(seed: int, count: int, *, stale_at: int | None = None) -> list[Event]:
    """Sequentially consistent clients, one at a time, with unique values."""
    random_ = random.Random(seed)
    value, old, steps = None, None, []
    for number in range(count):
        if stale_at == number:
            steps.append((number % 5, "read", None, old))
        elif random_.random() < 0.5:
            steps.append((number % 5, "read", None, value))
        elif random_.random() < 0.3 and value is not None:
            steps.append((number % 5, "cas", [value, number + 1]))
            value = number + 1
        else:
            old, value = value, number + 1
            steps.append((number % 5, "write", value))
    return told(*steps)


def test_online_memory_is_flat_and_a_stale_read_is_told_at_once() -> None:
    online = Online(batch=200)
    events = workload(1, 5000, stale_at=4000)
    held = 0
    for event in events:
        if online.feed(event) is not None:
            break
        held = max(held, online.held)
    assert online.anomaly is not None
    assert event.index - 8001 <= 200
    assert held < 700


def test_online_never_cries_wolf() -> None:
    for model_values in (None, 3):
        online = Online(batch=50)
        for event in workload(2, 1500):
            value = event.value
            if model_values and value is not None:
                value = [v % 3 for v in value] if isinstance(value, list) else value % 3
            assert (
                online.feed(Event(event.index, event.time, event.process, event.type, event.f, None, value))
                is None
            )
        assert online.look() is None


def hard_and_bad() -> list[Event]:
    """A counter that no search decides, and one that is read too high.

    Of the hard one it is unknown which of forty even steps were taken, and an odd number is read: a subset sum.
    """
    random_ = random.Random(1)
    steps = [2 * random_.randrange(1, 1 << 20) for _ in range(40)]
    events = [Event(at, at, at, "invoke", "add", "hard", step) for at, step in enumerate(steps)]
    events += [Event(40 + at, 40 + at, at, "info", "add", "hard", step) for at, step in enumerate(steps)]
    odd = sum(random_.sample(steps, 20)) + 1
    for key, f, value in [("hard", "read", odd), ("bad", "add", 1), ("bad", "read", 5)]:
        for kind in ("invoke", "ok"):
            told = value if kind == "ok" or f == "add" else None
            events.append(Event(len(events), len(events), 100, kind, f, key, told))
    return events


def test_once_a_key_is_invalid_no_costly_search_goes_on() -> None:
    history = History.of(hard_and_bad())
    limits = Limits(time_s=600.0, memory_bytes=1 << 30)
    result = Linearizable("counter").check(history, limits)
    assert result.verdict is Verdict.INVALID
    assert result.parts == {"bad": "invalid", "hard": "unknown"}
    assert (
        result.stats["explained"]["hard"]["reason"] == "not decided, because another key is already invalid"
    )
    assert "1 other key(s) not decided" in result.reason
    limits = Limits(time_s=0.5, memory_bytes=1 << 30)
    every = Linearizable("counter", every_key=True).check(history, limits)
    assert every.verdict is Verdict.INVALID
    assert every.stats["explained"]["hard"]["reason"] == "time limit"


def test_strings_built_by_many_appends_at_once() -> None:
    """All orders of 30 concurrent appends are wrong but one, and the search must not try them."""
    count = 30
    pieces = [f"<{at}>" for at in range(count)]
    for last, verdict in (("", Verdict.VALID), ("x", Verdict.INVALID)):
        events = [Event(at, at, at, "invoke", "append", "k", piece) for at, piece in enumerate(pieces)]
        events += [Event(count + at, count + at, at, "ok", "append", "k", pieces[at]) for at in range(count)]
        seen = "".join(random.Random(3).sample(pieces, count)) + last
        events.append(Event(2 * count, 2 * count, 99, "invoke", "read", "k"))
        events.append(Event(2 * count + 1, 2 * count + 1, 99, "ok", "read", "k", seen))
        result = check(events, model="kv", limits=Limits(time_s=60.0, memory_bytes=256 << 20))
        assert result.verdict is verdict
        assert result.memory_mb < 10


def test_an_empty_piece_appended_is_a_string() -> None:
    assert check(told((1, "append", ""), (2, "read", None, None)), model="kv").verdict is Verdict.VALID


@pytest.mark.parametrize("model", ["register", "set", "queue", "counter", "lock", "kv", "append", "rw"])
def test_nothing_done_proves_nothing(model):
    failed = [
        Event(0, 0, 1, "invoke", "read", "k"),
        Event(1, 5, 1, "fail", "read", "k", error=["not-connected", ""], index_of_invoke=0),
    ]
    for events in ([], failed):
        result = check(History.of(events), model=model)
        assert result.verdict is Verdict.UNKNOWN
        assert "no " in result.reason


def test_a_queue_is_confirmed_where_a_value_comes_again_after_the_contradiction() -> None:
    found = check(
        told(
            (0, "enqueue", 3),
            (0, "enqueue", 1),
            (0, "enqueue", 2),
            (0, "dequeue", None, 3),
            (0, "dequeue", None, 2),
            (0, "enqueue", 3),
        ),
        "queue",
    )
    assert found.verdict is Verdict.INVALID
    assert found.confirmed_by
