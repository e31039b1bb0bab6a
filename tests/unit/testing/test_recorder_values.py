"""What a first test of a user's service records: any client's name, any value, any start."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from quorate.checkers import check
from quorate.harness.recording import HistoryRecorder, assert_linearizable, recordable


def done(recorder, client, f, asked=None, answer=None):
    with recorder.operation(client, f, value=asked) as operation:
        operation.ok(answer)


def recorded(*operations):
    recorder = HistoryRecorder()
    for one in operations:
        done(recorder, *one)
    return recorder


@pytest.mark.parametrize(
    ("model", "operations"),
    [
        ("register", [(0, "read", None, 0)]),
        ("register", [(0, "write", {0, 8}), (1, "read", None, {8, 0})]),
        ("cas-register", [(0, "write", (1, 2)), (1, "read", None, [1, 2])]),
        ("register", [(0, "write", 1.0), (1, "read", None, 1)]),
        ("register", [(0, "write", np.int64(3)), (1, "read", None, 3)]),
        ("register", [(0, "write", np.array([1, 2])), (1, "read", None, [1, 2])]),
        ("register", [(0, "write", b"x"), (1, "read", None, "x")]),
        # Ids that the service gives stand in the answer alone.
        ("queue", [(0, "enqueue", None, 7), (1, "dequeue", None, 7)]),
        ("set", [(0, "add", None, 3), (1, "read", None, [3])]),
        ("register", [("alice", "write", 1), ("bob", "read", None, 1), (0, "read", None, 1)]),
    ],
)
def test_any_client_and_value_is_recorded_as_what_it_equals(model, operations):
    assert assert_linearizable(recorded(*operations), model).verdict == "valid"


def test_events_given_as_a_list_are_judged_as_in_a_file(tmp_path):
    events = recorded((0, "enqueue", None, 7), (1, "dequeue", None, 7)).events
    path = tmp_path / "h.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    assert check(path, "queue").verdict == "valid"
    assert check(events, "queue").verdict == "valid"
    assert check([event for event in events if event.f == "dequeue"], "queue").verdict == "invalid"


@pytest.mark.parametrize("initial", [42, "x", {1, 2}, np.int64(4)])
def test_an_object_starts_with_what_is_stated(initial):
    recorder = recorded((0, "read", None, initial))
    assert_linearizable(recorder, "register", initial=initial)
    with pytest.raises(AssertionError, match="no client had ever written"):
        assert_linearizable(recorder, "register")


def test_clients_with_names_are_clients_of_their_own():
    recorder = HistoryRecorder()
    with recorder.operation("alice", "write", value=1) as first:
        with recorder.operation("bob", "write", value=2) as second:
            second.ok()
        first.info()
    done(recorder, "alice", "read", None, 2)
    processes = [event.process for event in recorder.events]
    assert len({processes[0], processes[1], processes[4]}) == 3
    assert_linearizable(recorder, "register")


@pytest.mark.parametrize("client", [-1, 1 << 20, None, 1.5, True])
def test_what_names_no_client_is_refused_with_what_would(client):
    with pytest.raises(ValueError, match="give each client a name, or a number"):
        done(HistoryRecorder(), client, "read")


def test_what_no_history_can_hold_is_refused_where_it_is_recorded():
    with pytest.raises(TypeError, match="record numbers, texts, lists or maps"):
        recordable(object())


def test_a_history_that_fails_is_kept_with_its_page_and_counterexample(pytester):
    pytester.makepyfile(
        """
        from quorate.harness.testing import assert_linearizable

        def test_it(history_recorder):
            for f, asked, answer in [("write", 1, None), ("write", 2, None), ("read", None, 1)]:
                with history_recorder.operation(0, f, value=asked) as operation:
                    operation.ok(answer)
            assert_linearizable(history_recorder, "register")
        """
    )
    result = pytester.runpytest("--quorate-store", "kept")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "quorate: to repeat" in text
    assert "quorate check kept/test_it/history.jsonl.zst --as register" in text
    assert "def assert_linearizable" not in text, "the traceback shows the test, not quorate's inside"
    made = {path.name for path in (pytester.path / "kept" / "test_it").iterdir()}
    assert {"history.jsonl.zst", "counterexample.jsonl", "report.html", "results.json"} <= made
