"""Other tools' words for operations are judged as quorate's own, and evidence names the events of the file."""

from __future__ import annotations

import json

import pytest

from quorate.checkers import check
from quorate.checkers.initial import read_initial
from quorate.harness.history import Event, History


def made(*operations):
    events = []
    for process, f, asked, answered in operations:
        at = len(events)
        events += [
            Event(at, at, process, "invoke", f, None, asked),
            Event(at + 1, at + 1, process, "ok", f, None, answered),
        ]
    return History.of(events)


@pytest.mark.parametrize(
    ("model", "operations", "verdict"),
    [
        ("kv", [(1, "put", "a", "a"), (2, "get", None, "a")], "valid"),
        ("kv", [(1, "put", "a", "a"), (2, "get", None, "b")], "invalid"),
        ("register", [(1, "put", 17, 17), (2, "get", None, 18)], "invalid"),
        ("queue", [(1, "enq", 1, 1), (2, "deq", None, 1)], "valid"),
        ("queue", [(1, "enq", 1, 1), (2, "deq", None, 2)], "invalid"),
        ("lock", [(1, "lock", None, None), (1, "unlock", None, None)], "valid"),
        ("counter", [(1, "add", 2, 2), (1, "dec", None, None), (2, "read", None, 1)], "valid"),
        ("counter", [(1, "add", 2, 2), (1, "decrement", 1, 1), (2, "read", None, 2)], "invalid"),
        (
            "rw",
            [
                (1, "write", [["write", "x", 1]], [["write", "x", 1]]),
                (2, "read", [["read", "x", None]], [["read", "x", 1]]),
            ],
            "valid",
        ),
        (
            "unordered-queue",
            [(1, "enqueue", 1, 1), (1, "enqueue", 2, 2), (2, "drain", None, [2, 1])],
            "valid",
        ),
        ("unordered-queue", [(1, "enqueue", 1, 1), (2, "drain", None, [1, 1])], "invalid"),
        ("unordered-queue", [(1, "enqueue", 1, 1), (2, "drain", None, [])], "invalid"),
        ("queue", [(1, "enqueue", 1, 1), (2, "drain", None, []), (1, "enqueue", 2, 2)], "invalid"),
        ("queue", [(1, "enqueue", 1, 1), (2, "drain", None, None), (1, "dequeue", None, None)], "valid"),
        ("queue", [(1, "enqueue", None, None), (1, "dequeue", None, None)], "unknown"),
        ("lock", [(1, "acquire", None, True), (2, "acquire", None, False)], "valid"),
        ("lock", [(1, "acquire", None, True), (2, "acquire", None, True)], "invalid"),
        (
            "lock",
            [(1, "acquire", None, True), (1, "release", None, False), (2, "lock", None, True)],
            "invalid",
        ),
    ],
)
def test_other_names_mean_the_same(model, operations, verdict):
    assert check(made(*operations), model).verdict == verdict


@pytest.mark.parametrize(
    ("model", "functions"),
    [("kv", ("put", "get")), ("register", ("w", "r")), ("register", ("write", "read"))],
)
def test_a_history_without_times_has_events_and_no_seconds_whatever_its_functions_are_called(
    tmp_path, model, functions
):
    path = tmp_path / "h.jsonl"
    lines = [(functions[0], 17, 17), (functions[1], None, 18)]
    path.write_text(
        "".join(
            f'{{"process": 1, "type": "{kind}", "f": "{f}", "value": {json.dumps(value)}}}\n'
            for f, asked, got in lines
            for kind, value in (("invoke", asked), ("ok", got))
        )
    )
    (anomaly,) = check(path, model).anomalies
    assert "read 18 in event 3" in anomaly.sentence


@pytest.mark.parametrize("end", ["info", None])
@pytest.mark.parametrize("model", ["queue", "unordered-queue"])
def test_a_drain_of_unknown_outcome_may_have_taken_what_was_there(model, end):
    before = [Event(0, 0, 1, "invoke", "enqueue", "k", 1), Event(1, 1, 1, "ok", "enqueue", "k", 1)]
    drain = [Event(2, 2, 2, "invoke", "drain", "k")] + [Event(3, 3, 2, "info", "drain", "k")] * (
        end == "info"
    )
    after = [Event(4, 4, 3, "invoke", "dequeue", "k"), Event(5, 5, 3, "ok", "dequeue", "k", None)]
    assert check([*before, *drain, *after], model).verdict == "valid"
    assert check([*before, Event(2, 2, 2, "invoke", "drain", "other"), *after], model).verdict == "invalid"
    refused = [Event(2, 2, 2, "invoke", "drain", "k"), Event(3, 3, 2, "fail", "drain", "k")]
    assert check([*before, *refused, *after], model).verdict == "invalid"


def test_a_drains_elements_are_shown_by_the_drains_own_events():
    history = made((1, "enqueue", 1, 1), (2, "drain", None, [1, 7]))
    anomaly = check(history, "unordered-queue").anomalies[0]
    assert set(anomaly.events) <= {0, 1, 2, 3}
    assert anomaly.culprit == 2


@pytest.mark.parametrize("engine", ["auto", "search"])
@pytest.mark.parametrize(
    ("model", "initial", "answered", "verdict"),
    [
        ("register", 42, 42, "valid"),
        ("register", 42, None, "invalid"),
        ("register", {"a": 1}, {"a": 1}, "valid"),
        ("cas-register", "x", "x", "valid"),
        ("kv", "x", "x", "valid"),
        ("counter", 5, 5, "valid"),
        ("counter", 5, 0, "invalid"),
    ],
)
def test_an_object_starts_with_what_is_stated(engine, model, initial, answered, verdict):
    assert check(made((1, "read", None, answered)), model, engine, initial=initial).verdict == verdict


def test_a_register_that_read_zero_first_is_valid_and_says_what_was_taken_for_granted():
    result = check(made((1, "read", None, 0), (2, "cas", [0, 4], [0, 4])), "cas-register")
    assert (result.verdict, result.stats["assumed_initial"]) == ("valid", 0)
    assert "--initial 0" in result.reason
    assert check(made((1, "read", None, 0)), "register", initial=None).verdict == "invalid"
    assert check(made((1, "read", None, 7)), "register").verdict == "invalid"
    # Starting at 0 explains the first read alone.
    assert check(made((1, "read", None, 0), (1, "read", None, None)), "register").verdict == "invalid"
    assert check(made((1, "write", 1, 1), (1, "read", None, 0)), "register").verdict == "invalid"


@pytest.mark.parametrize(
    ("model", "initial"), [("set", 1), ("lock", 1), ("counter", "x"), ("kv", 4), ("rw", 1), ("unique-ids", 1)]
)
def test_what_cannot_start_so_is_refused(model, initial):
    with pytest.raises(ValueError, match=r"initial|starts|holds"):
        check(made((1, "read", None, 0)), model, initial=initial)


def test_the_initial_value_is_json_or_the_text_itself():
    assert [read_initial(text) for text in ("0", "null", '"0"', "abc", "[1]")] == [0, None, "0", "abc", [1]]
