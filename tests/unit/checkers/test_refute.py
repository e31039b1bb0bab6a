"""Certificates of invalid answers: true ones are accepted, forged ones refused, and a lie is never called invalid."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from quorate.checkers import check
from quorate.checkers.linearizable import Linearizable
from quorate.checkers.refute import refute
from quorate.harness.core import counterexample
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History
from tests.quality.histories import Maker

MODELS = ("cas-register", "kv", "set", "queue", "unordered-queue", "counter", "lock", "fenced-lock")


def history(model: str, seed: int) -> list[Event]:
    made = Maker(seed, model, size=9, processes=3, unique=seed % 2 == 0).history()
    return [Event(index=at, **event) for at, event in enumerate(made)]


def told(*steps: tuple[int, str, Any, Any]) -> list[Event]:
    """Operations one after the other: process, function, argument, result; "?" is an unknown outcome."""
    events: list[Event] = []
    for process, f, argument, result in steps:
        at = len(events)
        kind = "info" if result == "?" else "ok"
        value = argument if result in {None, "?"} and f not in {"read", "dequeue"} else result
        events.append(Event(at, at * 10, process, "invoke", f, None, argument))
        events.append(Event(at + 1, at * 10 + 5, process, kind, f, None, None if kind == "info" else value))
    return events


def certificate_of(events: list[Event], model: str) -> dict[str, Any] | None:
    result = Linearizable(model).check(History.of(events), Limits())
    if result.verdict is not Verdict.INVALID:
        return None
    assert result.confirmed_by
    return dict(result.anomalies[0].detail.certificate)


@pytest.mark.parametrize("model", MODELS)
def test_every_invalid_answer_has_a_certificate_that_is_accepted(model: str) -> None:
    found = 0
    for seed in range(150):
        events = history(model, seed)
        certificate = certificate_of(events, model)
        if certificate is not None:
            found += 1
            assert refute(events, model, certificate) is None, seed
    assert found > 15


@pytest.mark.parametrize("model", MODELS)
def test_no_certificate_is_accepted_for_a_valid_history(model: str) -> None:
    """Whatever is claimed: with all that is known kept there is an order, and with less there still is."""
    tried = 0
    for seed in range(120):
        events = history(model, seed)
        if Linearizable(model).check(History.of(events), Limits()).verdict is not Verdict.VALID:
            continue
        ends = {}
        open_calls: dict[Any, int] = {}
        for event in events:
            if event.type == "invoke":
                open_calls[event.process] = event.index
            elif (call := open_calls.pop(event.process, None)) is not None and event.type == "ok":
                ends[call] = event.index
        everything = [[call, end] for call, end in ends.items()]
        for left_out in range(-1, len(everything)):
            some = [pair for at, pair in enumerate(everything) if at != left_out]
            claim = {"kind": "no-order", "key": None, "since": None, "operations": some}
            assert refute(events, model, claim) is not None, (seed, left_out)
            tried += 1
    assert tried > 30


REGISTER = [
    (1, "write", 1, None),
    (1, "write", 2, None),
    (2, "read", None, 2),
    (3, "read", None, 1),
    (4, "write", 1, None),
    (5, "read", None, 1),
]
CLAIM = {"kind": "no-order", "key": None, "since": None, "operations": [[0, 1], [2, 3], [4, 5], [6, 7]]}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, None),
        ({"operations": [[0, 1], [2, 3], [6, 7]]}, None),
        ({"operations": [[0, 1], [4, 5], [6, 7]]}, "left out"),
        ({"operations": [[0, None], [2, 3], [6, 7]]}, "there is an order"),
        ({"operations": [[0, 1], [2, None], [6, 7]]}, "there is an order"),
        ({"operations": [[0, 1], [2, 3], [6, None]]}, "there is an order"),
        ({"operations": [[0, 3], [2, 3], [6, 7]]}, "not its own"),
        ({"operations": [[1, 1], [2, 3], [6, 7]]}, "not an operation"),
        ({"operations": [[0, 1], [0, 1], [2, 3], [6, 7]]}, "not an operation"),
        ({"operations": [[4, 5], [6, 7]], "since": 4}, None),
        ({"operations": [[6, 7]], "since": 6}, "there is an order"),
        ({"operations": [[4, 5], [6, 7]], "since": 6}, "before the moment"),
        ({"operations": [[4, 5], [6, 7]], "since": 99}, "not in the history"),
        ({"operations": [[10, 11]], "since": None}, "left out"),
        ({"kind": "trust-me"}, "there is an order"),
        ({"kind": "sum-low", "read": 6, "after": None, "between": []}, "too low"),
    ],
)
def test_a_forged_certificate_is_refused(change: dict[str, Any], why: str | None) -> None:
    wrong = refute(told(*REGISTER), "register", CLAIM | change)
    if change == {"kind": "trust-me"}:
        assert wrong is None, "the operations are judged, whatever the claim is called"
        return
    assert (wrong is None) if why is None else (wrong is not None and why in wrong), wrong


COUNTER = [
    (1, "add", 3, None),
    (2, "read", None, 3),
    (1, "add", 2, None),
    (3, "add", 4, "?"),
    (2, "read", None, 3),
    (2, "read", None, 40),
]


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        ({"kind": "sum-low", "read": 8, "after": 2, "between": [4]}, None),
        ({"kind": "sum-low", "read": 8, "after": None, "between": [0, 4]}, None),
        ({"kind": "sum-low", "read": 8, "after": None, "between": [0, 0, 4]}, None),
        ({"kind": "sum-low", "read": 8, "after": None, "between": [0, 0]}, "not too low"),
        ({"kind": "sum-low", "read": 8, "after": 2, "between": []}, "not too low"),
        ({"kind": "sum-low", "read": 8, "after": 2, "between": [0]}, "surely lies between"),
        ({"kind": "sum-low", "read": 8, "after": 2, "between": [6]}, "surely lies between"),
        ({"kind": "sum-low", "read": 8, "after": 10, "between": []}, "returned before"),
        ({"kind": "sum-low", "read": 4, "after": 2, "between": [4]}, "not about a read"),
        ({"kind": "sum-high", "read": 10}, None),
        ({"kind": "sum-high", "read": 8}, "not too high"),
        ({"kind": "sum-step", "read": 8}, "a sum of steps"),
        ({"kind": "sum-odd", "read": 8}, "no certificate of the kind"),
    ],
)
def test_sums_are_added_up_again(claim: dict[str, Any], why: str | None) -> None:
    wrong = refute(told(*COUNTER), "counter", {"key": None, **claim})
    assert (wrong is None) if why is None else (wrong is not None and why in wrong), wrong


@pytest.mark.parametrize("second", ["refuses", "silent"])
def test_what_no_second_judge_confirms_is_unknown(second: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A native core that lies about a valid history: the claim ends as unknown, never as an anomaly."""
    events = told((1, "write", 1, None), (2, "read", None, 1))
    claim = {"kind": "no-order", "operations": [[0, 1], [2, 3]], "since": None}
    part = {
        "key": None,
        "verdict": "unknown",
        "engine": "liar",
        "operations": 2,
        "time_s": 0.0,
        "reason": "liar found no order, but no second judge confirmed",
        "minimal": True,
        "culprit": 2,
        "events": [[0, 1], [2, 3]],
        "certificate": claim,
        "confirmed_by": None,
        "second": second,
    }
    answer = {
        "verdict": "unknown",
        "engine": "liar",
        "reason": part["reason"],
        "operations": 2,
        "tally": {"valid": 0, "invalid": 0, "unknown": 1},
        "keys": [part],
        "witness": [],
        "bytes": 0,
        "time_s": 0.0,
    }
    monkeypatch.setattr("quorate.checkers.linearizable.ask", lambda *_: answer)
    result = Linearizable("register").check(History.of(events), Limits(time_s=4))
    assert result.verdict is Verdict.UNKNOWN
    assert "no second judge" in result.reason


def test_porcupine_alone_calls_nothing_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    events = told((1, "write", 1, None), (2, "read", None, 1))
    good = check(events, model="register")
    lie = msgspec.structs.replace(good, verdict=Verdict.INVALID, engine="porcupine 0")
    monkeypatch.setattr("quorate.checkers.porcupine.check_history", lambda *_, **__: lie)
    result = check(events, model="register", engine="porcupine")
    assert result.verdict is Verdict.UNKNOWN
    assert "found no order, but native" in result.reason


def test_a_counterexample_by_itself_has_the_same_name() -> None:
    later = [(1, "write", 1, None), (1, "write", 2, None), (3, "read", None, 1), (2, "read", None, 2)]
    for steps, name in ((later, "stale read"), (later[:3], "lost write")):
        history = History.of(told(*steps))
        anomaly = check(history, model="register").anomalies[0]
        part = list(counterexample.events(history, anomaly))
        again = check(part, model="register").anomalies[0]
        assert (anomaly.name, again.name) == (name, name)
