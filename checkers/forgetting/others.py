"""Counters, locks and sets."""

from __future__ import annotations

from typing import Any

from quorate.checkers.forgetting.key import Key, Pair, name, ok, over
from quorate.checkers.forgetting.registers import forget_overwritten


def forget_counter(key: Key, pairs: list[Pair], since: int) -> list[Pair]:
    """Additions that returned before every later read was called count for all of these: they go into the first total.

    The reads before go; the highest total that one of them saw stays as a floor, as long as nothing is subtracted.
    """
    if not all(isinstance(call.value, int) for call, _ in pairs if call.f != "read"):
        return pairs
    falls = any(call.f != "read" and call.value < 0 for call, _ in pairs)
    added = [pair for pair in pairs if pair[0].f != "read" and ok(pair) and over(pair, since)]
    cut = max((end.time for _, end in added if end is not None), default=None)
    if cut is None:
        return pairs
    key.initial = (key.initial or 0) + sum(call.value for call, _ in added)
    folded = {call.index for call, _ in added}
    kept = []
    for call, end in pairs:
        if call.f == "read" and call.time <= cut and end is not None:
            higher = end.type == "ok" and (key.floor is None or end.value > key.floor[0])
            key.floor = (end.value, end.time) if higher else key.floor
        elif call.index not in folded and not _refused((call, end), since):
            kept.append((call, end))
    key.floor = None if falls else key.floor
    return kept


def _refused(pair: Pair, since: int) -> bool:
    return pair[1] is not None and pair[1].type == "fail" and pair[0].time < since


def _token(taken: Pair) -> int:
    value = taken[1].value if taken[1] is not None else None
    return value if isinstance(value, int) else 0


def forget_lock(_key: Key, pairs: list[Pair], since: int) -> list[Pair]:
    """Holds that were taken and given back, both known, go as a whole, but for the one with the highest token.

    Not those of a process of which an earlier operation may still happen: its hold may have been another one.
    """
    last: dict[Any, Pair] = {}
    unsure: set[Any] = set()
    past: list[tuple[Pair, Pair]] = []
    for pair in pairs:
        call, end = pair
        if end is None or end.type == "info":
            unsure.add(call.process)
        elif end.type == "ok":
            before, last[call.process] = last.get(call.process), pair
            whole = call.f == "release" and before is not None and before[0].f == "acquire"
            if whole and before is not None and call.process not in unsure and over(pair, since):
                past.append((before, pair))
    if past:
        # In a lock without tokens any one will do.
        del past[max(range(len(past)), key=lambda at: _token(past[at][0]))]
    gone = {pair[0].index for hold in past for pair in hold}
    return [pair for pair in pairs if pair[0].index not in gone and not _refused(pair, since)]


def forget_set(key: Key, pairs: list[Pair], since: int) -> list[Pair]:
    """Sets that only grow and are read as a whole, or elements by themselves; a mixture of both is kept."""
    functions = {call.f for call, _ in pairs}
    if "read" not in functions and not key.members:
        elements: dict[bytes, list[Pair]] = {}
        for pair in pairs:
            elements.setdefault(name(pair[0].value), []).append(pair)
        groups = [forget_overwritten(group, since) for group in elements.values()]
        # An element of which no more is known than that it was removed is as if it had never been added.
        known = [
            group
            for group in groups
            if len(group) != 1 or group[0][0].f != "remove" or not over(group[0], since)
        ]
        return sorted((pair for group in known for pair in group), key=lambda pair: pair[0].index)
    if functions <= {"add", "read"}:
        return _forget_grown(key, pairs, since)
    return pairs


def _forget_grown(key: Key, pairs: list[Pair], since: int) -> list[Pair]:
    """An element known to be in before every later read was called must be in all of these; its addition can go."""
    added = {name(call.value) for call, _ in pairs if call.f == "add"}
    known: dict[bytes, int] = {}
    for call, end in pairs:
        if end is None or end.type != "ok" or end.time >= since:
            continue
        for value in map(name, end.value or ()) if call.f == "read" else (name(call.value),):
            known[value] = min(known.get(value, end.time), end.time)
    known = {value: time for value, time in known.items() if value in added}
    if not known:
        return pairs
    cut = max(known.values())
    key.members |= set(known)
    return [
        (call, end)
        for call, end in pairs
        if (call.f == "read" and call.time > cut) or (call.f == "add" and name(call.value) not in known)
    ]
