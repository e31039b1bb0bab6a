"""Porcupine's words: operations and events, models, results, notes on its page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Literal

import msgspec


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
    """A note on the page: beside a client's operations, or under a separate `tag`. Colours are CSS."""

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
