"""The workloads behind the track record: quiet on the correct system, and each guarantee of a watch by itself."""

from __future__ import annotations

import pytest

from quorate.checkers.watches import WatchesAreReliable
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History
from tests.quality.test_workloads_simulated import ALL, explain, run

A, B, C = ["a", 1, 2], ["b", 2, 3], ["a", None, 4]
BOTH = [["a", 5, 5], ["b", 6, 5]]


def history(*watches, f="watch", asked=None):
    """Changes a=1 at 2, b=2 at 3, the deletion of a at 4, a=5 and b=6 at 5; then each watch, as (from, messages)."""
    changes = [({"a": 1}, 2), ({"b": 2}, 3), ({"a": None}, 4), ({"a": 5, "b": 6}, 5)]
    steps = [("change", value, list(value), version, 0) for value, version in changes]
    steps += [
        (f, asked, {"from": start, "messages": messages}, None, 0 if f == "follow" else 1 + number)
        for number, (start, messages) in enumerate(watches)
    ]
    events = []
    for f_, value, answered, version, process in steps:
        at = len(events)
        events.append(Event(at, at * 1000, process, "invoke", f_, value=value))
        events.append(
            Event(
                at + 1,
                at * 1000 + 500,
                process,
                "ok",
                f_,
                value=answered,
                version=version,
                index_of_invoke=at,
            )
        )
    return History.of(events)


def test_progress_that_was_asked_for_must_be_told_or_nothing_is_proved():
    silent = [(2, [[5, [A, B, C, *BOTH]]])] * 12
    assert WatchesAreReliable().check(history(*silent, asked=[5, True]), Limits()).verdict == Verdict.UNKNOWN
    assert WatchesAreReliable().check(history(*silent, asked=[5, False]), Limits()).verdict == Verdict.VALID
    told = [(2, [[5, [A, B, C, *BOTH]], [5, []]]), *silent]
    assert WatchesAreReliable().check(history(*told, asked=[5, True]), Limits()).verdict == Verdict.VALID


def names(*watches, f="watch"):
    result = WatchesAreReliable().check(history(*watches, f=f), Limits())
    assert (result.verdict == Verdict.INVALID) == bool(result.anomalies)
    return {anomaly.name for anomaly in result.anomalies}


@pytest.mark.parametrize(
    "messages",
    [
        [[5, [A, B, C, *BOTH]]],
        [[5, [A]], [5, [B, C]], [5, BOTH]],
        [[5, [A]], [2, []], [5, [B]]],  # progress up to what was shown
        [[5, [A, B]]],  # the rest is late: delivery is eventual
        [[5, [A, B, C, *BOTH]], [5, []], [5, []]],
    ],
)
def test_a_good_watch(messages):
    assert names((2, messages)) == set()


@pytest.mark.parametrize(
    ("name", "start", "messages"),
    [
        ("watch not ordered", 2, [[5, [B, A, C]]]),
        ("watch not unique", 2, [[5, [A, B]], [5, [B, C]]]),
        ("watch not atomic", 2, [[5, [A, B, C, BOTH[0]]], [5, [BOTH[1]]]]),
        ("watch not resumable", 2, [[5, [B, C]], [5, BOTH]]),
        ("watch not resumable", 4, [[5, BOTH], [6, [["a", 7, 6]]]]),  # the deletion at its start: etcd #18089
        ("watch not reliable", 2, [[5, [A, C]], [5, BOTH]]),
        ("watch not bookmarkable", 2, [[5, []], [5, [A, B, C, *BOTH]]]),  # etcd #15220
        ("watch not bookmarkable", 2, [[5, [A, B, C]], [5, []]]),
        ("watch not bookmarkable", 2, [[5, [A, B, C, *BOTH]], [5, []], [4, []]]),
        ("watch shows what was not written", 2, [[5, [["a", 7, 2], B]]]),
    ],
)
def test_each_guarantee(name, start, messages):
    assert name in names((start, messages))


def test_a_standing_watch_goes_on_over_operations():
    assert names((2, [[3, [A]]]), (2, [[5, [B, C]]]), (2, [[5, BOTH]]), f="follow") == set()
    assert "watch not reliable" in names((2, [[3, [A]]]), (2, [[5, [C]]]), (2, [[5, BOTH]]), f="follow")


def test_what_only_another_watch_saw_counts():
    """A change whose answer was lost is known from whoever was shown it."""
    lost = ["c", 9, 6]
    later = ["c", 10, 7]
    good = (2, [[7, [A, B, C, *BOTH, lost, later]]])
    assert names(good, (5, [[7, [*BOTH, later]], [7, [["d", 1, 8]]]])) == {"watch not reliable"}


@pytest.mark.parametrize("name", ["revisions", "watch"])
def test_the_correct_system_passes(name):
    for seed in range(1, 7):
        events, results = run(name, seed, faults=ALL if seed % 3 else (), seconds=2.4, rate=200)
        assert {result.verdict for result in results} == {Verdict.VALID}, f"{seed}: {explain(results)}"
        done = {event.f for event in events if event.type == "ok"}
        wanted = {
            "revisions": {"read", "write", "compact"},
            "watch": {"change", "watch", "follow", "compact"},
        }
        assert done >= wanted[name], f"{seed}: only {done}"
