"""What a foreign history says in two ways decides nothing alone, and hides nothing that is wrong by itself."""

from __future__ import annotations

import pytest

from quorate.checkers import check
from quorate.harness.core.counterexample import encoded
from quorate.harness.history import Event, History


def made(*operations):
    """Operations one after the other: (process, function, asked, outcome, answered)."""
    events = []
    for process, f, asked, outcome, answered in operations:
        at = len(events)
        events += [
            Event(at, at, process, "invoke", f, None, asked),
            Event(at + 1, at + 1, process, outcome, f, None, answered),
        ]
    return events


WROTE = (0, "write", 1, "ok", 1)
REFUSED = (1, "cas", [5, 6], "fail", 409)
STALE = (2, "read", None, "ok", None)


@pytest.mark.parametrize("engine", ["auto", "search"])
def test_a_refusal_with_a_number_that_no_client_wrote_decides_nothing(engine):
    result = check(made(WROTE, REFUSED), "cas-register", engine)
    assert (result.verdict, "no client wrote (as 409)" in result.reason) == ("unknown", True)
    assert check(made(WROTE, REFUSED, STALE), "cas-register", engine, initial=None).verdict == "invalid"
    seen = (1, "cas", [5, 6], "fail", 2)
    assert check(made((0, "write", 2, "ok", 2), WROTE, seen), "cas-register", engine).verdict == "invalid"


def test_a_counterexample_is_as_invalid_as_the_history_that_it_is_of(tmp_path):
    """The value that was seen was written later, which the counterexample does not show."""
    history = made(WROTE, (1, "cas", [5, 6], "fail", 2), (0, "write", 2, "ok", 2))
    result = check(history, "cas-register")
    path = tmp_path / "counterexample.jsonl"
    path.write_bytes(encoded(History.of(history), result.anomalies[0]))
    assert (result.verdict, check(path, "cas-register").verdict) == ("invalid", "invalid")


def test_what_stands_beside_an_error_was_seen():
    history = made(WROTE, REFUSED)
    history[-1] = Event(3, 3, 1, "fail", "cas", None, 409, error=["conflict", "it was not 5"])
    assert check(history, "cas-register").verdict == "invalid"


def test_what_a_run_of_ours_recorded_means_what_the_format_says():
    assert check(History.of(made(WROTE, REFUSED)), "cas-register").verdict == "invalid"


@pytest.mark.parametrize("level", ["linearizable", "sequential", "monotonic-reads"])
def test_a_set_that_answers_null_decides_nothing(level):
    silent = [(0, "add", 1, "ok", 1), (0, "read", None, "ok", [1]), (0, "read", None, "ok", None)]
    result = check(made(*silent), "set", expect=level)
    assert (result.verdict, "answered null" in result.reason) == ("unknown", True)
    assert check(made(*silent, (0, "read", None, "ok", [])), "set", expect=level).verdict == "invalid"


def test_locks_that_are_asked_for_by_name_may_be_several():
    two = [(0, "acquire", "a", "ok", None), (1, "acquire", "b", "ok", None)]
    back = [(0, "release", "a", "ok", None), (1, "release", None, "ok", None)]
    shared = made(*two, *back, (1, "acquire", "a", "ok", None))
    result = check(shared, "lock")
    assert (result.verdict, "'a' and 'b'" in result.reason) == ("unknown", True)
    assert check(made(*two, (2, "acquire", "a", "ok", None)), "lock").verdict == "invalid"
    # Where no client shares a name with another they say something about the clients.
    assert check(made(*two), "lock").verdict == "invalid"
    assert check(made(two[0], (1, "acquire", "a", "ok", None)), "lock").verdict == "invalid"
