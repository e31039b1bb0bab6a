"""Replay a witness: this order must be correct, complete, and true to real time.

Independent of the engines on purpose: it reads events, shares no code with what found the order, and is short enough
to be checked by eye. A `valid` that does not replay is a bug in the engine.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Any

from harness.history.event import NEMESIS, Event

Orders = Iterable[tuple[Any, Sequence[int]]]


def verify(events: Sequence[Event], model: str, orders: Orders, initial: Any = None) -> str | None:
    """Return why the witness is wrong, or None where it holds.

    `orders` gives for each key the positions of invocations in the order in which they took effect.
    """
    ends, rank, placed = _ends(events), _moments(events), set()
    for key, order in orders:
        replay = _Replay(model, initial)
        if model == "unordered-queue":
            replay.plan(events, ends, order)
        latest = -1
        for position in order:
            event, end = events[position], ends.get(position)
            if position in placed or event.type != "invoke" or event.process == NEMESIS:
                return f"event {position} is no invocation, or stands twice"
            if key is not None and event.key != key:
                return f"event {position} is not about {key!r}"
            placed.add(position)
            if end is not None and rank[end] < latest:
                return f"event {position} had returned before one was called that stands before it"
            latest = max(latest, rank[position])
            if not replay.step(event, events[end] if end is not None else None):
                return f"event {position} cannot happen there"
    for position, end in ends.items():
        if events[end].type == "ok" and events[end].process != NEMESIS and position not in placed:
            return f"event {position} succeeded and is missing"
    return None


def _ends(events: Sequence[Event]) -> dict[int, int]:
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


def _moments(events: Sequence[Event]) -> list[int]:
    """Ranks of events. At equal times invocations come first, so that ties only widen intervals.

    A process that alone both returned and asked again at that time keeps its own order; a history without times is
    taken in the order of its events.
    """
    if not events or events[0].time == events[-1].time:
        return list(range(len(events)))
    groups: dict[int, list[int]] = {}
    for position, event in enumerate(events):
        groups.setdefault(event.time, []).append(position)
    ranks = [0] * len(events)
    rank = 0
    for group in groups.values():
        if len(group) > 1:
            returned: set[Any] = set()
            again: set[Any] = set()
            for event in (events[position] for position in group):
                if event.process in returned and event.process != NEMESIS:
                    again.add(event.process)
                if event.type != "invoke":
                    returned.add(event.process)
            kept = again if len(again) == 1 else set()
            place = [1 if events[p].process in kept else 2 * (events[p].type != "invoke") for p in group]
            group = [position for _, position in sorted(zip(place, group, strict=True))]  # noqa: PLW2901
        for position in group:
            ranks[position] = rank
            rank += 1
    return ranks


class _Replay:
    """One object, replayed step by step."""

    def __init__(self, model: str, initial: Any) -> None:
        self.model = model
        self.value: Any = (initial or 0) if model == "counter" else initial
        self.items: deque[Any] = deque()
        self.members: set[Any] = set()
        self.bag: Counter[Any] = Counter()
        self.needs: dict[Any, deque[tuple[int, int]]] = {}
        self.at = 0
        self.holder: Any = None

    def step(self, event: Event, end: Event | None) -> bool:
        """Let the operation take effect; False where it cannot. `end` is None where nobody knows."""
        self.at += 1
        kind = {"cas-register": "register", "kv": "register", "fenced-lock": "lock"}.get(
            self.model, self.model
        )
        moved: bool = getattr(self, "_" + kind.replace("-", "_"))(event, end)
        return moved

    def _plain(self, value: Any) -> Any:
        return None if self.model == "kv" and value == "" else value

    def _register(self, event: Event, end: Event | None) -> bool:
        if event.f == "read" or (end is not None and end.type == "fail"):
            return end is None or self._plain(end.value) == self.value
        if event.f == "cas":
            fits = bool(self._plain(event.value[0]) == self.value)
            self.value = self._plain(event.value[1])
            return fits
        grown = (self.value or "") + event.value if event.f == "append" else event.value
        self.value = None if event.f == "delete" else self._plain(grown)
        return True

    def _set(self, event: Event, end: Event | None) -> bool:
        if event.f in ("add", "remove"):
            (self.members.add if event.f == "add" else self.members.discard)(event.value)
            return True
        if end is None or event.f == "contains":
            return end is None or (event.value in self.members) == end.value
        return len(end.value or ()) == len(self.members) and set(end.value or ()) == self.members

    def _queue(self, event: Event, end: Event | None) -> bool:
        if event.f == "enqueue":
            self.items.append(event.value)
            return True
        if end is not None and end.value is None:
            return not self.items
        return bool(self.items) and (
            self.items.popleft() == end.value if end else [self.items.popleft()] != []
        )

    def plan(self, events: Sequence[Event], ends: dict[int, int], order: Sequence[int]) -> None:
        """Note when each value comes and goes: an unknown dequeue takes what is needed last."""
        for at, position in enumerate(order):
            event, end = events[position], ends.get(position)
            value = event.value if event.f == "enqueue" else events[end].value if end is not None else None
            if value is not None:
                self.needs.setdefault(value, deque()).append((at, 1 if event.f == "enqueue" else -1))

    def _needed(self, value: Any) -> float:
        left = self.bag[value] - 1
        for at, change in self.needs[value]:
            left += change if at >= self.at else 0
            if left < 0:
                return at
        return float("inf")

    def _unordered_queue(self, event: Event, end: Event | None) -> bool:
        if event.f == "enqueue":
            self.bag[event.value] += 1
            return True
        if end is not None and end.value is None:
            return not self.bag
        value = end.value if end else max(self.bag, key=self._needed, default=None)
        self.bag[value] -= 1
        fits = self.bag[value] >= 0
        self.bag = self.bag if self.bag[value] else +self.bag
        return fits

    def _counter(self, event: Event, end: Event | None) -> bool:
        self.value += 0 if event.f == "read" else event.value
        return event.f != "read" or end is None or bool(end.value == self.value)

    def _lock(self, event: Event, end: Event | None) -> bool:
        if event.f == "release":
            fits, self.holder = self.holder == event.process, None
            return bool(fits)
        token = end.value if end is not None and self.model == "fenced-lock" else None
        fits = self.holder is None and (token is None or self.value is None or token > self.value)
        self.holder, self.value = event.process, self.value if token is None else token
        return bool(fits)
