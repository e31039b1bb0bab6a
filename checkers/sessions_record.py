"""What the engine of weaker models answers (`checkers/native/weak`), and what its second judge replays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class Step(msgspec.Struct, frozen=True):
    """One step of a circle: positions of invocations (None: the initial value), and why the first comes first."""

    why: str
    start: int | None = msgspec.field(name="from")
    to: int | None
    by: int | None


class Sum(msgspec.Struct, frozen=True):
    """A total of a counter that cannot be: positions of the read, an earlier read, and the additions between."""

    kind: str
    read: int
    after: int | None
    between: Sequence[int]


class Found(msgspec.Struct, frozen=True):
    """The word on one level: an order, or the operations (positions of invocations) that contradict it."""

    verdict: str
    reason: str = ""
    order: Sequence[int] | None = None
    events: Sequence[int] = ()
    minimal: bool = False
    alone: bool = False
    session: int | None = None
    steps: Sequence[Step] = ()
    elements: Sequence[Any] | None = None
    sum: Sum | None = None


class Impossible(msgspec.Struct, frozen=True):
    """A read that no level explains; of a set, the element that it is about."""

    call: int
    name: str
    element: Any = msgspec.UNSET


class Answer(msgspec.Struct, frozen=True):
    """All levels of a history; `error` where it is none of the model."""

    operations: int = 0
    impossible: Sequence[Impossible] = ()
    levels: Mapping[str, Found] = {}
    error: str | None = None


class Certificate(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `sessions_refute` replays, by indexes of events; which fields count depends on `kind`."""

    kind: str
    level: str = ""
    # `sessions`: invocation and completion (None where the outcome is unknown), the reader, the elements of sets.
    operations: Sequence[tuple[int, int | None]] = ()
    session: int | None = None
    alone: bool = False
    elements: Sequence[Any] | None = None
    # `impossible`: the read, and of a set the element.
    call: int = -1
    element: Any = msgspec.UNSET
    # `session-sum`
    sum: str = ""
    read: int = -1
    after: int | None = None
    between: Sequence[int] = ()
