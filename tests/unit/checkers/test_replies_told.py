"""Polls and catalogues that show what no client asked for are confirmed by definition; correct ones never are."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.checkers.agents import AgentsAreAuthoritative
from quorate.checkers.polls import PollsTellTheState
from quorate.checkers.replies import DEFINITIONS, refute
from quorate.checkers.replies_record import Certificate
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History


def history(*operations: tuple[str, str | None, Any, Any, int | None]) -> History:
    """Operations one after another: function, key, what was asked, the answer, the version."""
    events: list[Event] = []
    for who, (f, key, asked, answer, version) in enumerate(operations):
        at = len(events)
        events.append(Event(at, at, who, "invoke", f, key, asked, node="n1"))
        end = Event(at + 1, at + 1, who, "ok", f, key, answer, node="n1", index_of_invoke=at, version=version)
        events.append(end)
    return History.of(events)


def poll(index: int, entries: dict[str, list[Any]]) -> tuple[str, str | None, Any, Any, int | None]:
    """A poll of all names that was answered once."""
    answer = {
        "index": index,
        "asked": 0,
        "entries": entries,
        "calls": 0,
        "after_us": 0,
        "before_us": 0,
    }
    return "poll", None, None, {"watch": 1, "mode": "default", "answers": [answer]}, None


SET = ("set", "a", 1, 1, 5)
CASES = {
    "poll shows what was not written": history(SET, poll(5, {"a": [2, 5]})),
    "index below what it shows": history(SET, poll(4, {"a": [1, 5]})),
    "one index, two states": history(SET, poll(5, {"a": [1, 5]}), poll(5, {})),
    "catalogue shows what was not announced": history(
        ("announce", "web", 1, 1, None),
        ("compare", None, None, {"agent": {"web": 1}, "catalog": {"web": 1, "db": 9}}, None),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_found_is_confirmed(name: str) -> None:
    """Each with its certificate, which another reading of the history replays."""
    checker = AgentsAreAuthoritative() if name.startswith("catalogue") else PollsTellTheState()
    result = checker.check(CASES[name], Limits())
    assert result.verdict is Verdict.INVALID
    assert name in {one.name for one in result.anomalies}
    assert result.confirmed_by is not None, result.stats
    assert "unconfirmed" not in result.stats


def test_what_is_right_is_never_confirmed_to_be_wrong() -> None:
    """Whatever events a certificate names."""
    right = history(
        SET,
        poll(5, {"a": [1, 5]}),
        poll(6, {"a": [1, 5]}),
        ("announce", "web", 1, 1, None),
        ("compare", None, None, {"agent": {"web": 1}, "catalog": {"web": 1}}, None),
    )
    for name in CASES:
        assert name in DEFINITIONS
        assert refute(right, [Certificate(name, None, list(range(len(right))))]) is not None
