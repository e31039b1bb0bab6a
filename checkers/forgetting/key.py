"""One key during a run: the operations that are still held, and what is known of those that are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from quorate.harness.history.event import Event

Pair = tuple[Event, Event | None]


class Key:
    """The operations that still matter, and the summary of the others.

    `initial` is what the object holds before the operations held. `floor` is the highest total that a forgotten read
    of a counter saw, and when that had returned. `members` are elements that every later read of a set must contain.
    `ignored` are values of a queue that are judged no more. `blind`: the key cannot be judged any more until the end.
    """

    def __init__(self, initial: Any) -> None:
        self.initial = initial
        self.events: list[Event] = []
        self.look_at = 0
        self.floor: tuple[Any, int] | None = None
        self.members: set[bytes] = set()
        self.ignored: set[bytes] = set()
        self.blind = False


def name(value: Any) -> bytes:
    """Return a name of a value: equal values have equal names."""
    return msgspec.json.encode(value)


def pairs_of(events: Sequence[Event]) -> list[Pair]:
    """Return invocations with their completions, in the order of the invocations."""
    found: list[list[Any]] = []
    asked: dict[int | str, list[Any]] = {}
    for event in events:
        if event.type == "invoke":
            pair = [event, None]
            found.append(pair)
            asked[event.process] = pair
        elif event.process in asked:
            asked.pop(event.process)[1] = event
    return [(call, end) for call, end in found]


def ok(pair: Pair) -> bool:
    """Whether the operation certainly happened."""
    return pair[1] is not None and pair[1].type == "ok"


def over(pair: Pair, since: int) -> bool:
    """Whether it had returned before this moment."""
    return pair[1] is not None and pair[1].time < since


def since(pairs: Sequence[Pair], now: int) -> int | None:
    """Return the moment at or after which everything that is open was called; None where ties of time forbid to forget.

    What returned at the present moment counts as open, because more may come with the same time. Where two processes
    asked again at the very time at which they had returned, the order of that time's events depends on both.
    """
    returned: dict[int | str, int] = {}
    again: set[int] = set()
    moment = now
    for call, end in pairs:
        if returned.get(call.process) == call.time:
            if call.time in again:
                return None
            again.add(call.time)
        if end is not None:
            returned[call.process] = end.time
        if end is None or end.time >= now:
            moment = min(moment, call.time)
    return moment
