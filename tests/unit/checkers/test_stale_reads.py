"""Weak reads by their own promise, and how old they were."""

from __future__ import annotations

import pytest

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
    if promise:
        weak = StaleReads(**promise).check(history(*steps), Limits())
        assert weak.verdict is Verdict.VALID


def test_without_versions_nothing_is_said() -> None:
    """Unknown, with the reason."""
    result = StaleReads().check(history((0, "write", 1, None), (1, "read", 1, None)), Limits())
    assert result.verdict is Verdict.UNKNOWN
    assert "version" in result.reason
