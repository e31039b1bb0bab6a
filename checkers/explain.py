"""The operations of a minimal counterexample in words; what could not have happened is said by their model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol, Self

import msgspec

from quorate.checkers.words import moment, say
from quorate.harness.history import History

_NS: Final = 1e9
_INFINITE: Final = float("inf")
# Sentences list at most this many operations.
_LISTED_MAX: Final = 6

Named = tuple[str, str]


class Rest(Protocol):
    """What the rest of the history says of the key; moments are in seconds."""

    def moved(self, since_s: float, value: Any) -> bool:
        """Whether a completed read, called after this moment, saw another value."""

    def failed(self, value: Any) -> tuple[str, str] | None:
        """Who asked to write this value and was refused, and when that was, if anybody."""

    def released(self, process: int | str, since_s: float) -> float | None:
        """When the process first asked to give the lock back after this moment, if it ever did."""


class Told(msgspec.Struct, frozen=True):
    """One operation of the counterexample. `returned` is infinite and `kind` is `info` where the outcome is unknown."""

    position: int
    process: int | str
    f: str
    argument: Any
    result: Any
    kind: str
    called: float
    returned: float
    scope: Sequence[Any] | None = None  # of a set that was read as a whole: the elements that matter
    at: str = ""  # when the answer came (or, of an unknown outcome, the call), in words

    @classmethod
    def of(cls, history: History, call: int, end: int | None, scope: Sequence[Any] | None = None) -> Self:
        """Read it from the history, by the positions of its events."""
        event = history.event(call)
        done = None if end is None else history.event(end)
        # A refused compare-and-set that says what it saw is a read.
        f = "read" if done is not None and done.type == "fail" else event.f
        return cls(
            position=call,
            process=event.process,
            f=f,
            argument=event.value,
            result=None if done is None else done.value,
            kind="info" if done is None else "ok",
            called=event.time / _NS,
            returned=_INFINITE if done is None else done.time / _NS,
            scope=scope,
            at=when(history, call if done is None or end is None else end),
        )

    @property
    def who(self) -> str:
        """The client, as people write it."""
        return f"p{self.process}"

    @property
    def when(self) -> str:
        """When the answer came."""
        return self.at or f"at {self.called if self.kind == 'info' else self.returned:.3f} s"

    @property
    def found(self) -> Any:
        """The value that it certainly saw: a read's result, or what a compare-and-set replaced."""
        return self.argument[0] if self.f == "cas" else self.result

    @property
    def left(self) -> Any:
        """The value that it leaves."""
        return self.argument[1] if self.f == "cas" else None if self.f == "delete" else self.argument

    def words(self) -> str:
        """The operation in words."""
        what = {
            "read": f"read {say(self.result)}",
            "write": f"wrote {say(self.argument)}",
            "delete": "deleted the value",
            "contains": f"found {_element(self.argument)} {'there' if self.result else 'missing'}",
            "enqueue": f"enqueued {_element(self.argument)}",
            "add": f"added {_element(self.argument)}",
            "increment": f"added {say(self.argument)}",
            "remove": f"removed {_element(self.argument)}",
            "acquire": "took the lock" + ("" if self.result is None else f" (token {say(self.result)})"),
            "release": "gave the lock back",
            "append": f"appended {say(self.argument)}",
        }.get(self.f, self.f if self.argument is None else f"{self.f} {say(self.argument)}")
        if self.f == "cas":
            what = f"changed {say(self.argument[0])} to {say(self.argument[1])}"
        if self.f == "read" and self.scope is not None:
            what = _of_the_set(self.result or (), self.scope)
        if self.f == "dequeue":
            what = "found the queue empty" if self.result is None else f"dequeued {say(self.result)}"
        if self.kind == "info":
            # Kept so where the contradiction stands either way, also of operations that were answered.
            what = "" if self.argument is None else f" {say(self.argument)}"
            return f"{self.who} {self.f}{what} (whether or not it took effect)"
        return f"{self.who} {what}"


def _of_the_set(read: Sequence[Any], scope: Sequence[Any]) -> str:
    """What a read of the whole set says of the elements that matter."""
    seen = list(map(say, read))
    saw = [one for one in map(say, scope) if one in seen]
    missed = [one for one in map(say, scope) if one not in seen]
    twice = [one for one in saw if seen.count(one) > 1]
    if twice:
        return f"saw {' and '.join(twice)} twice in the set"
    if saw and missed:
        return f"saw {' and '.join(saw)} but not {' or '.join(missed)} in the set"
    return f"saw {' and '.join(saw)} in the set" if saw else f"did not see {' or '.join(missed)} in the set"


def _element(value: Any) -> str:
    """An element as people write it; null is one like any other."""
    return "null" if value is None else say(value)


def when(history: History, position: int) -> str:
    """The moment of an event: `at 1.234 s`, or `in event 3` of a history without times."""
    columns = history.columns
    timed = history.timed and int(columns.time[0]) != int(columns.time[-1])
    return moment(int(columns.time[position]), int(columns.index[position]), timed=timed)


def general(bad: Told, others: Sequence[Told]) -> Named:
    """Say what happened where the anomaly has no name: the operation, and those that it fits no order with."""
    listed = ", ".join(f"{one.words()} {one.when}" for one in others[:_LISTED_MAX])
    more = f" and {len(others) - _LISTED_MAX} more" if len(others) > _LISTED_MAX else ""
    return "no order", f"{bad.words()} {bad.when}, which fits no order with: {listed}{more}"
