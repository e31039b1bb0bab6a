"""Porcupine's API in Python: histories as operations or events, models, verdicts, partial orders, its own page.

Names and meanings are those of the Go package (pkg.go.dev/github.com/anishathalye/porcupine); intervals are closed, and
a timeout of 0 means none. A model's functions run in this process, called by Go: they must be pure, and an exception in
one ends the check and is raised.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from quorate.checkers.porcupine import library
from quorate.checkers.porcupine.calls import Calls
from quorate.checkers.porcupine.records import Annotation, CheckResult, Event, Model, Operation


class LinearizationInfo:
    """What a verbose check found, the longest orders, for people and for `visualize`. Go keeps it until dropped."""

    def __init__(self, number: int, partial: list[list[list[int]]] | None, calls: Calls) -> None:
        self.number = number
        self.calls = calls
        self.annotations: list[Annotation] = []
        self._partial = partial or []
        weakref.finalize(self, library.call, {"what": "release", "info": number})

    def partial_linearizations(self) -> list[list[list[int]]]:
        """For each part the longest orders found, each a list of ids; complete ones if the history is linearizable.

        An id is an operation's place within its part.
        """
        return self._partial

    def partial_linearizations_operations(self) -> list[list[list[Operation]]]:
        """The same, as operations. Only of checks of operations."""
        parts = self.calls.parts
        return [
            [[parts[at][number] for number in order] for order in orders]
            for at, orders in enumerate(self._partial)
        ]

    def add_annotations(self, annotations: Sequence[Annotation]) -> None:
        """Add notes for `visualize`."""
        self.annotations += annotations


def check_operations(model: Model, history: Sequence[Operation]) -> bool:
    """Whether a history is linearizable."""
    return check_operations_timeout(model, history, 0) == CheckResult.OK


def check_operations_timeout(
    model: Model, history: Sequence[Operation], timeout_s: float, *, memory_bytes: int = 0
) -> CheckResult:
    """Check within a time (0: none) and a size of Go's heap (0: none), else `UNKNOWN`."""
    return _check(Calls.of_operations(model, history), timeout_s, memory_bytes, verbose=False)[0]


def check_operations_verbose(
    model: Model, history: Sequence[Operation], timeout_s: float, *, memory_bytes: int = 0
) -> tuple[CheckResult, LinearizationInfo]:
    """Check, and keep what was found on the way."""
    return _verbose(Calls.of_operations(model, history), timeout_s, memory_bytes)


def check_events(model: Model, history: Sequence[Event]) -> bool:
    """Whether a history is linearizable."""
    return check_events_timeout(model, history, 0) == CheckResult.OK


def check_events_timeout(
    model: Model, history: Sequence[Event], timeout_s: float, *, memory_bytes: int = 0
) -> CheckResult:
    """Check within a time (0: none) and a size of Go's heap (0: none), else `UNKNOWN`."""
    return _check(Calls.of_events(model, history), timeout_s, memory_bytes, verbose=False)[0]


def check_events_verbose(
    model: Model, history: Sequence[Event], timeout_s: float, *, memory_bytes: int = 0
) -> tuple[CheckResult, LinearizationInfo]:
    """Check, and keep what was found on the way."""
    return _verbose(Calls.of_events(model, history), timeout_s, memory_bytes)


def visualize(model: Model, info: LinearizationInfo, path: str | Path) -> None:
    """Write Porcupine's own page, one HTML file, of what a verbose check of this model found."""
    calls = info.calls.again(model)
    request = {
        "what": "visualize",
        "info": info.number,
        "html": str(path),
        "annotations": [msgspec.to_builtins(note) for note in info.annotations],
    }
    calls.run(request)


def _check(
    calls: Calls, timeout_s: float, memory_bytes: int, *, verbose: bool
) -> tuple[CheckResult, dict[str, Any]]:
    request = {
        "what": "check",
        "items": calls.items,
        "events": calls.events,
        "timeout_s": timeout_s,
        "memory_bytes": memory_bytes,
        "verbose": verbose,
    }
    answer = calls.run(request)
    return CheckResult(answer["result"]), answer


def _verbose(calls: Calls, timeout_s: float, memory_bytes: int) -> tuple[CheckResult, LinearizationInfo]:
    result, answer = _check(calls, timeout_s, memory_bytes, verbose=True)
    return result, LinearizationInfo(answer["info"], answer["partial"], calls)
