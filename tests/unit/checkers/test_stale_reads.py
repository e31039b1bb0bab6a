"""Weak reads by their own promise, and how old they were."""

from __future__ import annotations

import msgspec
import pytest

from quorate.checkers.replies import refute
from quorate.checkers.replies_record import Certificate
from quorate.checkers.stale_reads import StaleReads
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History

SECOND = 10**9


def history(*steps: tuple) -> History:
    """One operation a second: process, function, value, version."""
    events: list[Event] = []
    for second, (process, f, value, version) in enumerate(steps):
        at = len(events)
        asked = None if f == "read" else value
        events.append(Event(at, second * SECOND, process, "invoke", f, "k", asked))
        events.append(Event(at + 1, second * SECOND + 1, process, "ok", f, "k", value, version=version))
    return History.of(events)


def test_a_stale_read_is_a_figure_and_not_an_anomaly() -> None:
    """Two of three reads are behind, one by three seconds."""
    result = StaleReads().check(
        history(
            (0, "write", 1, 1), (0, "write", 2, 2), (1, "read", 2, 2), (2, "read", 1, 1), (3, "read", 1, 1)
        ),
        Limits(),
    )
    assert result.verdict is Verdict.VALID
    figure = result.stats["staleness"]
    assert (figure["reads"], figure["behind"]) == (3, 2)
    assert figure["max_s"] == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize(
    ("name", "steps", "promise"),
    [
        ("state that never was", [(0, "write", 1, 1), (1, "read", 9, 1)], {}),
        (
            "read went back",
            [(0, "write", 1, 1), (0, "write", 2, 2), (1, "read", 2, 2), (1, "read", 1, 1)],
            {"monotonic": False},
        ),
        (
            "own write unseen",
            [(0, "write", 1, 1), (1, "write", 2, 2), (1, "read", 1, 1)],
            {"own_writes": False},
        ),
        (
            "staler than promised",
            [(0, "write", 1, 1), (0, "write", 2, 2), (1, "read", 1, 1), (2, "read", 1, 1)],
            {"bound_s": None},
        ),
    ],
)
def test_what_is_promised_is_held_and_what_is_not_is_quiet(
    name: str, steps: list[tuple], promise: dict
) -> None:
    """Each break is named, and there is none where that was not promised."""
    bound = 1.5 if "bound_s" in promise else None
    full = StaleReads(bound_s=bound).check(history(*steps), Limits())
    assert [one.name for one in full.anomalies] == [name]
    # No reply says what the bound is.
    assert full.confirmed_by == ("definitions" if name != "staler than promised" else None)
    if promise:
        weak = StaleReads(**promise).check(history(*steps), Limits())
        assert weak.verdict is Verdict.VALID


def test_without_versions_registers_are_placed_by_time() -> None:
    """What began after a value's own write had ended is newer than it."""
    steps = [(0, "write", 1, None), (0, "write", 2, None), (1, "read", 1, None)]
    result = StaleReads().check(history(*steps), Limits())
    assert result.verdict is Verdict.VALID
    assert result.stats["staleness"]["max_s"] == pytest.approx(1, abs=0.01)
    ghost = StaleReads().check(history(*steps, (1, "read", 9, None)), Limits())
    assert [one.name for one in ghost.anomalies] == ["state that never was"]


def test_where_no_read_can_be_placed_nothing_is_said() -> None:
    """Unknown, with the reason."""
    steps = [(0, "add", 1, None), (1, "read", 1, None)]
    result = StaleReads(model="counter").check(history(*steps), Limits())
    assert result.verdict is Verdict.UNKNOWN
    assert "version" in result.reason


@pytest.mark.parametrize(
    ("model", "steps", "wrong"),
    [
        ("set", [(0, "add", 1, 1), (0, "add", 2, 2), (1, "read", [1], 1)], 0),
        ("set", [(0, "add", 1, 1), (0, "add", 2, 2), (1, "read", [2], 2)], 1),
        ("set", [(0, "add", 1, 1), (0, "add", 2, 2), (1, "read", [2], None)], 1),
        ("set", [(0, "add", 1, 1), (1, "read", [1, 7], 1)], 1),
        ("set", [(0, "add", 1, 1), (0, "add", 2, 2), (1, "read", [1, 2], 1)], 1),
        ("counter", [(0, "add", 1, 1), (0, "add", 2, 2), (1, "read", 1, 1)], 0),
        ("counter", [(0, "add", 1, 1), (0, "add", 2, 2), (1, "read", 2, 2)], 1),
        ("register", [(0, "write", 1, 1), (0, "write", 2, 2), (1, "read", 1, 5)], 1),
    ],
)
def test_a_state_is_what_the_updates_up_to_a_version_left(model: str, steps: list[tuple], wrong: int) -> None:
    """A prefix of the order of updates, and no more."""
    result = StaleReads(model=model).check(history(*steps), Limits())
    assert [one.name for one in result.anomalies] == ["state that never was"] * wrong


@pytest.mark.parametrize(
    ("model", "f", "value", "shown"),
    [("register", "write", 2, 2), ("set", "add", 2, [1, 2]), ("counter", "add", 2, 3)],
)
def test_an_update_without_an_answer_may_have_happened(model: str, f: str, value: int, shown: object) -> None:
    """A read that shows it is fine once it was asked for, and not before."""
    done = history((0, f, 1, 1)).events()
    asked = Event(2, 10 * SECOND, 3, "invoke", f, "k", value)
    read = [
        Event(3, 11 * SECOND, 1, "invoke", "read", "k"),
        Event(4, 12 * SECOND, 1, "ok", "read", "k", shown, version=2),
    ]
    assert not StaleReads(model=model).check(History.of([*done, asked, *read]), Limits()).anomalies
    early = [
        Event(2, 9 * SECOND, 1, "invoke", "read", "k"),
        Event(3, 9 * SECOND + 1, 1, "ok", "read", "k", shown, version=2),
        Event(4, 10 * SECOND, 3, "invoke", f, "k", value),
    ]
    assert StaleReads(model=model).check(History.of([*done, *early]), Limits()).anomalies


def test_sessions_are_what_replies_name() -> None:
    """A process that comes back with another session starts anew."""
    events = list(
        history((0, "write", 1, 1), (0, "write", 2, 2), (1, "read", 2, 2), (1, "read", 1, 1)).events()
    )
    named = [
        msgspec.structs.replace(event, session="a" if at < 6 else "b") if event.type == "ok" else event
        for at, event in enumerate(events)
    ]
    assert not StaleReads().check(History.of(named), Limits()).anomalies
    assert StaleReads().check(History.of(events), Limits()).anomalies


def test_staleness_is_told_by_fault() -> None:
    """Reads asked for between injection and healing, and the others."""
    steps = list(
        history((0, "write", 1, 1), (0, "write", 2, 2), (1, "read", 1, 1), (1, "read", 2, 2)).events()
    )
    inject = {"action": "inject", "plan": {"target": "leader", "nodes": ["n1"]}}
    cut = [
        Event(4, SECOND + 5, "nemesis", "invoke", "partition", value=inject),
        Event(5, SECOND + 6, "nemesis", "info", "partition", value=inject),
    ]
    heal = [
        Event(8, 2 * SECOND + 5, "nemesis", "invoke", "partition", value={"action": "heal"}),
        Event(9, 2 * SECOND + 6, "nemesis", "info", "partition", value={"action": "heal"}),
    ]
    events = [*steps[:4], *cut, *steps[4:6], *heal, *steps[6:]]
    numbered = [
        msgspec.structs.replace(event, index=at, index_of_invoke=None) for at, event in enumerate(events)
    ]
    rows = StaleReads().check(History.of(numbered), Limits()).stats["by_fault"]
    assert [(row["fault"], row["target"], row["reads"], row["behind"]) for row in rows] == [
        ("partition", "leader", 1, 1),
        ("none", "", 1, 0),
    ]


ADDED = [(0, "add", 1, 1), (0, "add", 2, 2), (0, "add", 4, None)]


@pytest.mark.parametrize(
    ("model", "broken", "sound"),
    [
        ("register", (1, "read", 1, 2), (1, "read", 2, 2)),
        ("register", (1, "read", 9, None), (1, "read", 4, None)),
        ("set", (1, "read", [2], 2), (1, "read", [1, 4], 1)),
        ("set", (1, "read", [2], None), (1, "read", [1, 2], None)),
        ("counter", (1, "read", 2, 2), (1, "read", 7, 2)),
        ("counter", (1, "read", 9, None), (1, "read", 5, None)),
    ],
)
def test_a_state_that_never_was_is_confirmed_and_one_that_was_is_not(model, broken, sound) -> None:
    """The definition speaks of the same sums and elements as the checker, and shares no code with it."""
    steps = [(who, "write" if model == "register" else f, value, version) for who, f, value, version in ADDED]
    told = history(*steps, broken)
    result = StaleReads(model=model).check(told, Limits())
    assert ([one.name for one in result.anomalies], result.confirmed_by) == (
        ["state that never was"],
        "definitions",
    )
    for name in ("state that never was", "read went back", "own write unseen"):
        forged = Certificate(f"{model}: {name}", "k", list(range(8)))
        assert refute(history(*steps, sound), [forged]) is not None
