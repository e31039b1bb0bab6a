"""Porcupine's API in Python: histories as operations or events, models, verdicts, partial orders, its own page.

Names and meanings are those of the Go package (pkg.go.dev/github.com/anishathalye/porcupine); intervals are closed, and
a timeout of 0 means none. A model's functions run in this process, called by Go: they must be pure, and an exception in
one ends the check and is raised.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec

from checkers.porcupine import library
from checkers.porcupine.calls import Calls


class CheckResult(StrEnum):
    """Linearizable, certainly not, or not known in the limits given."""

    OK = "Ok"
    ILLEGAL = "Illegal"
    UNKNOWN = "Unknown"


class Operation(msgspec.Struct, frozen=True):
    """A call with its response; `call` and `return_` are moments of any one clock, as integers of 64 bits."""

    client_id: int
    input: Any
    call: int
    output: Any
    return_: int
    metadata: str = ""


class Event(msgspec.Struct, frozen=True):
    """A call or a return; `id` matches the two, their order in the history is the order in time."""

    client_id: int
    kind: Literal["call", "return"]
    value: Any
    id: int
    metadata: str = ""


class Annotation(msgspec.Struct, frozen=True):
    """A note on the page: beside a client's operations, or under a `tag` of its own. Colours are CSS."""

    start: int
    description: str
    end: int = 0
    client_id: int = 0
    tag: str = ""
    details: str = ""
    text_color: str = ""
    background_color: str = ""


Partition = Callable[[Sequence[Any]], Sequence[Sequence[Any]]]


class Model(msgspec.Struct, frozen=True):
    """A sequential specification: `step(state, input, output)` gives whether it can be, and the state after it.

    States that are equal and hashable are recognised as such; give `equal` for others. `partition` and
    `partition_event` split a history into parts that are linearizable each by itself.
    """

    init: Callable[[], Any]
    step: Callable[[Any, Any, Any], tuple[bool, Any]]
    equal: Callable[[Any, Any], bool] | None = None
    partition: Partition | None = None
    partition_event: Partition | None = None
    describe_operation: Callable[[Any, Any], str] | None = None
    describe_state: Callable[[Any], str] | None = None


class NondeterministicModel(msgspec.Struct, frozen=True):
    """A specification in which a step can end in several states: `init` and `step` return all that can be."""

    init: Callable[[], Sequence[Any]]
    step: Callable[[Any, Any, Any], Sequence[Any]]
    equal: Callable[[Any, Any], bool] | None = None
    partition: Partition | None = None
    partition_event: Partition | None = None
    describe_operation: Callable[[Any, Any], str] | None = None
    describe_state: Callable[[Any], str] | None = None

    def to_model(self) -> Model:
        """Return the model whose states are the sets of states that this one can be in."""

        def merge(states: Sequence[Any]) -> tuple[Any, ...]:
            same = self.equal or (lambda one, other: one == other)
            kept: list[Any] = []
            for state in states:
                if not any(same(state, other) for other in kept):
                    kept.append(state)
            return tuple(kept)

        def step(states: tuple[Any, ...], request: Any, response: Any) -> tuple[bool, Any]:
            after = merge([new for state in states for new in self.step(state, request, response)])
            return bool(after), after

        def equal(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
            same = self.equal or (lambda a, b: a == b)
            return len(one) == len(other) and all(any(same(a, b) for b in other) for a in one)

        def describe(states: tuple[Any, ...]) -> str:
            return "{" + ", ".join(map(self.describe_state or str, states)) + "}"

        return Model(
            lambda: merge(self.init()),
            step,
            equal,
            self.partition,
            self.partition_event,
            self.describe_operation,
            describe,
        )


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
