"""Replay a sequential order: complete, true to every session's own order, every answer right, key by key.

Independent of the engine on purpose, and short enough to be checked by eye. What an object does is `verify.replay`'s.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from quorate.checkers.verify import ends_of, replay
from quorate.harness.history import Event, History


def replay_sequential(
    history: History, order: Sequence[int], initial: Any = None, model: str = "register"
) -> str | None:
    """Return why the order (positions of invocations) is wrong, or None where it holds. An unknown write may be out."""
    events = history.events()
    ends = ends_of(events)
    latest: dict[int | str, int] = {}
    of_key: dict[bytes, list[int]] = defaultdict(list)
    for at in order:
        call = events[at]
        if at in ends and at <= latest.get(call.process, -1):
            return f"event {at} stands after a later one of its session"
        if at in ends:
            latest[call.process] = at
        of_key[msgspec.json.encode(call.key)].append(at)
    for own in of_key.values():
        steps: list[tuple[Event, Event | None]] = [
            (events[at], events[ends[at]] if at in ends else None) for at in own
        ]
        for at, fits in zip(own, replay(model, steps, initial), strict=True):
            if not fits:
                return f"event {at} cannot happen there"
    placed = set(order)
    if len(placed) < len(order):
        return "an event appears twice"
    for at, end in ends.items():
        if events[end].type == "ok" and events[end].process != "nemesis" and at not in placed:
            return f"event {at} succeeded and is missing"
    return None
