"""Replay a sequential order of registers: complete, true to every session's own order, every read right.

Independent of the engine on purpose, and short enough to be checked by eye.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from quorate.harness.history import History


def replay_sequential(history: History, order: Sequence[int], initial: Any = None) -> str | None:
    """Return why the order (positions of invocations) is wrong, or None where it holds. An unknown write may be out."""
    events, pair = history.events(), history.columns.pair.tolist()
    holds: dict[bytes, Any] = {}
    latest: dict[int | str, int] = {}
    for at in order:
        call = events[at]
        end = events[pair[at]] if pair[at] < len(events) else None
        key = msgspec.json.encode(call.key)
        known = end is not None and end.type != "info"
        if known and at < latest.get(call.process, -1):
            return f"event {at} stands after a later one of its session"
        if known:
            latest[call.process] = at
        saw = end.value if end and (call.f == "read" or end.type == "fail") else None
        if call.f == "cas" and not (end and end.type == "fail"):
            saw = call.value[0]
        if call.f in ("read", "cas") and saw != holds.get(key, initial):
            return f"event {at} cannot happen there"
        if call.f == "write" or (call.f == "cas" and not (end and end.type == "fail")):
            holds[key] = call.value if call.f == "write" else call.value[1]
        elif call.f == "delete":
            holds[key] = None
    placed = set(order)
    for at, event in enumerate(events):
        done = pair[at] < len(events) and events[pair[at]].type == "ok"
        if event.type == "invoke" and event.process != "nemesis" and done and at not in placed:
            return f"event {at} succeeded and is missing"
    return None
