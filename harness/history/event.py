"""Events: what the journal holds, one JSON object per line (docs/reference/formats.md)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

NEMESIS: Final = "nemesis"


class Type(StrEnum):
    """The four types of events; the last three complete an invocation."""

    INVOKE = "invoke"
    OK = "ok"
    FAIL = "fail"
    INFO = "info"


class Event(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One invocation or completion.

    `index` counts from 0 in real-time order; `time` is nanoseconds since the run's start on a monotonic clock;
    `process` is an integer for clients and "nemesis" for faults; `error` is `[code, text]`;
    `index_of_invoke` links a completion to its invocation.
    """

    index: int
    time: int
    process: int | str
    type: str
    f: str
    key: Any = None
    value: Any = None
    node: str | None = None
    session: str | None = None
    version: int | None = None
    error: list[str] | None = None
    index_of_invoke: int | None = None


class Operation(msgspec.Struct, frozen=True, gc=False):
    """An invocation with its completion, or with None when it never completed (then it is `info`)."""

    invoke: Event
    completion: Event | None

    @property
    def outcome(self) -> str:
        """`ok`, `fail` or `info`."""
        return self.completion.type if self.completion else Type.INFO.value
