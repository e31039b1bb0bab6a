"""What the second judge of replies reads: the operations of a history, and those that a certificate names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import msgspec

from quorate.harness.history import Event, History


class Reply(msgspec.Struct, frozen=True):
    """An operation that was answered: the call and the answer."""

    call: Event
    end: Event

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.end.type == "ok"

    def before(self, other: Reply) -> bool:
        """Whether this was answered before the other was asked for: by the clock, and in the order of the history."""
        return self.end.time < other.call.time and self.end.index < other.call.index


class Record:
    """A history, read for definitions."""

    def __init__(self, history: History) -> None:
        self.history = history

    def has(self, index: int) -> bool:
        """Whether there is an event with this index."""
        try:
            self.history.position(index)
        except KeyError:
            return False
        return True

    @cached_property
    def replies(self) -> Sequence[Reply]:
        """All answered operations of clients, in the order of their invocations."""
        return [
            Reply(one.invoke, one.completion)
            for one in self.history.operations()
            if one.completion is not None and one.invoke.process != "nemesis"
        ]

    @cached_property
    def calls(self) -> Sequence[Event]:
        """All invocations of clients."""
        return [one.invoke for one in self.history.operations() if one.invoke.process != "nemesis"]

    @cached_property
    def first_fault(self) -> int | None:
        """When the first fault was recorded, in ns."""
        times = [event.time for event in self.history.events() if event.process == "nemesis"]
        return min(times, default=None)

    def of(self, *functions: str) -> Iterator[Reply]:
        """Yield the replies to these functions that succeeded."""
        return (reply for reply in self.replies if reply.ok and reply.call.f in functions)


class Certificate(msgspec.Struct, frozen=True, omit_defaults=True):
    """The name of an anomaly, and the indexes of the events that show it.

    `strict` is how leases were judged, `initial` what the object was stated to have started with.
    """

    kind: str
    key: Any
    events: Sequence[int]
    strict: bool = False
    initial: Any = None


class Case(msgspec.Struct, frozen=True):
    """A certificate before a record: the named replies in the order of their answers."""

    key: Any
    replies: Sequence[Reply]
    calls: Sequence[Event]
    strict: bool = False
    initial: Any = None

    @classmethod
    def of(cls, record: Record, certificate: Certificate) -> Case:
        """Find the operations of the events that the certificate names."""
        named = set(certificate.events)
        replies = [
            reply for reply in record.replies if reply.end.index in named and reply.call.index in named
        ]
        return cls(
            key=certificate.key,
            replies=sorted(replies, key=lambda reply: reply.end.index),
            calls=[call for call in record.calls if call.index in named],
            strict=certificate.strict,
            initial=certificate.initial,
        )

    @property
    def pairs(self) -> Iterator[tuple[Reply, Reply]]:
        """Every two of the replies that succeeded, the one that was answered first in front."""
        found = [reply for reply in self.replies if reply.ok]
        return ((one, other) for at, one in enumerate(found) for other in found[at + 1 :])
