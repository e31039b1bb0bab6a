"""Replay a witness: this order must be correct, complete, and true to real time.

Independent of the engines on purpose: it reads events, shares no code with what found the order, and is short enough
to be checked by eye. A `valid` that does not replay is a bug in the engine. Models without rules here (`apart`) are
replayed by the step of their record, which engines do not know either.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

from quorate.checkers.models import MODELS
from quorate.checkers.models.model import Operation
from quorate.harness.history.event import NEMESIS, Event

Steps = Sequence[tuple[Event, Event | None]]
_FAMILIES = {"cas-register": "register", "kv": "register", "fenced-lock": "lock"}


def verify(
    events: Sequence[Event], model: str, orders: Iterable[tuple[Any, Sequence[int]]], initial: Any = None
) -> str | None:
    """Return why the witness is wrong, or None where it holds.

    `orders` gives for each key the positions of invocations in the order in which they took effect.
    """
    ends, rank, placed = ends_of(events), ranks_of(events), set()
    for key, order in orders:
        steps = [(events[at], events[ends[at]] if at in ends else None) for at in order]
        latest = -1
        for at, fits in zip(order, replay(model, steps, initial), strict=True):
            if at in placed or events[at].type != "invoke" or events[at].process == NEMESIS:
                return f"event {at} is not an invocation, or appears twice"
            if key not in (None, events[at].key):
                return f"event {at} is not about {key!r}"
            if at in ends and rank[ends[at]] < latest:
                return f"event {at} had returned before one was called that stands before it"
            if not fits:
                return f"event {at} cannot happen there"
            placed.add(at)
            latest = max(latest, rank[at])
    for at, end in ends.items():
        if events[end].type == "ok" and events[end].process != NEMESIS and at not in placed:
            return f"event {at} succeeded and is missing"
    return None


def ends_of(events: Sequence[Event]) -> dict[int, int]:
    """The position of each completion whose outcome is known, by the position of its invocation."""
    ends: dict[int, int] = {}
    asked: dict[int | str, int] = {}
    for position, event in enumerate(events):
        start = asked.pop(event.process, None)
        if event.type == "invoke":
            asked[event.process] = position
        elif start is not None and event.type != "info":
            ends[start] = position
    return ends


def ranks_of(events: Sequence[Event]) -> list[int]:
    """When events count as having happened: where times tie, invocations come first, which only widens intervals.

    A process that alone both returned and asked again at that time keeps its own order; a history without times is
    taken in the order of its events.
    """
    tick = [0, *accumulate(int(one.time != other.time) for one, other in pairwise(events))]
    ended: set[tuple[int, Any]] = set()
    again: dict[int, set[Any]] = defaultdict(set)
    for at, event in zip(tick, events, strict=False):
        if event.type != "invoke":
            ended.add((at, event.process))
        elif (at, event.process) in ended and event.process != NEMESIS:
            again[at].add(event.process)

    def moment(position: int) -> tuple[int, int]:
        event, at = events[position], tick[position]
        own = tick[-1] == 0 or again[at] == {event.process}
        return at, 1 if own else 0 if event.type == "invoke" else 2

    order = sorted(range(len(events)), key=moment)
    return sorted(order, key=order.__getitem__)


def replay(model: str, steps: Steps, value: Any) -> Iterator[bool]:  # noqa: C901, PLR0912 - a table
    """Say of one operation after the other whether it can happen there; without an end its outcome is unknown."""
    if not MODELS[model].apart:
        yield from _by_record(model, steps)
        return
    members: set[str] = set()
    items: deque[Any] = deque()
    taken, spare = _taken(steps), 0
    holder = highest = None
    for at, (call, end) in enumerate(steps):
        asked, told, fits = _plain(model, call.value), _plain(model, end and end.value), True
        match _FAMILIES.get(model, model), "read" if end and end.type == "fail" else call.f:
            case "register", "read":
                fits = end is None or told == value
            case "register", "cas":
                fits, value = _plain(model, asked[0]) == value, _plain(model, asked[1])
            case "register", "append":
                value = (value or "") + (asked or "") or None
            case "register", "write" | "delete":
                value = asked if call.f == "write" else None
            case "set", "add" | "remove":
                (members.add if call.f == "add" else members.discard)(repr(asked))
            case "set", "contains":
                fits = end is None or (repr(asked) in members) == told
            case "set", "read":
                fits = end is None or sorted(members) == sorted(map(repr, told or ()))
            case "queue", "enqueue":
                items.append(asked)
            case "queue", "dequeue":
                head = items.popleft() if items else None
                fits = head == told if end else head is not None
            case "unordered-queue", "enqueue":
                spare += at not in taken
            case "unordered-queue", "dequeue" if end is None:
                spare -= 1
                fits = spare >= 0
            case "unordered-queue", "dequeue":
                fits = spare == 0 if told is None else at in taken
            case "counter", "add" | "increment":
                value = (value or 0) + asked
            case "counter", "read":
                fits = end is None or told == (value or 0)
            case "lock", "acquire":
                token = told if model == "fenced-lock" else None
                fits = holder is None and (token is None or highest is None or token > highest)
                holder, highest = call.process, highest if token is None else token
            case "lock", "release":
                fits, holder = holder == call.process, None
            case _:
                fits = False
        yield fits


def _by_record(model: str, steps: Steps) -> Iterator[bool]:
    states = {MODELS[model].initial}
    for call, end in steps:
        one = Operation(call.process, call.f, call.value, end and end.value, known=end is not None)
        states = {after for state in states for after in MODELS[model].step(state, one)}
        yield bool(states)


def _plain(model: str, value: Any) -> Any:
    return None if model == "kv" and value == "" else value


def _taken(steps: Steps) -> set[int]:
    """Known dequeues of a bag and the enqueues that serve them: the latest, which leaves most to the unknown ones."""
    taken: set[int] = set()
    wanted: dict[str, list[int]] = defaultdict(list)
    for at, (call, end) in reversed([*enumerate(steps)]):
        if call.f == "enqueue" and wanted[repr(call.value)]:
            taken |= {at, wanted[repr(call.value)].pop()}
        elif call.f == "dequeue" and end and end.value is None:
            wanted.clear()  # nothing is handed on through an empty bag
        elif call.f == "dequeue" and end:
            wanted[repr(end.value)].append(at)
    return taken
