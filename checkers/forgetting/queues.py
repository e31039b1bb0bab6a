"""Queues and bags: values that came and went.

Left out are all operations on one value together: what is left of a correct order is then correct.
"""

from __future__ import annotations

from quorate.checkers.forgetting.key import Key, Pair, name, ok, over


def forget_queue(_key: Key, pairs: list[Pair], since: int) -> list[Pair]:
    """Values in order: what came and went speaks against what was certainly enqueued before it and is still there."""
    return _forget(pairs, since, ordered=True)


def forget_bag(_key: Key, pairs: list[Pair], since: int) -> list[Pair]:
    """Values in any order."""
    return _forget(pairs, since, ordered=False)


def _forget(pairs: list[Pair], since: int, *, ordered: bool) -> list[Pair]:
    enqueues: dict[bytes, list[Pair]] = {}
    dequeues: dict[bytes, list[Pair]] = {}
    for pair in pairs:
        call, end = pair
        if end is not None and end.type == "fail":
            continue
        if call.f == "enqueue":
            enqueues.setdefault(name(call.value), []).append(pair)
        elif ok(pair) and end is not None and end.value is not None:
            dequeues.setdefault(name(end.value), []).append(pair)
    inside = {value: group for value, group in enqueues.items() if value not in dequeues}
    # When the first value was certainly in that is still there, and when the first may have been.
    oldest = min(
        (end.time for group in inside.values() for _, end in group if end and end.type == "ok"), default=None
    )
    earliest = min((call.time for group in inside.values() for call, _ in group), default=None)
    gone = set()
    for value, group in enqueues.items():
        taken = dequeues.get(value, [])
        if len(group) != 1 or len(taken) != 1 or not over(group[0], since) or not over(taken[0], since):
            continue
        if not ordered or oldest is None or group[0][0].time <= oldest:
            gone.add(value)
    return [pair for pair in pairs if not _leaves(pair, gone, since, earliest)]


def _leaves(pair: Pair, gone: set[bytes], since: int, earliest: int | None) -> bool:
    call, end = pair
    if end is None or call.time >= since:
        return False
    if end.type == "fail":
        return True
    if call.f == "enqueue":
        return name(call.value) in gone
    if end.type == "info":
        return False
    if end.value is not None:
        return name(end.value) in gone
    # An empty answer speaks only against what may have been in by then and is not known to have gone.
    return earliest is None or earliest >= end.time


def ignore_oldest(key: Key, pairs: list[Pair]) -> list[Pair]:
    """Give up the older half of the values that stay inside: an unknown dequeue may have taken them."""
    taken = {
        name(end.value) for call, end in pairs if call.f == "dequeue" and end is not None and end.type == "ok"
    }
    stuck = [
        call
        for call, end in pairs
        if call.f == "enqueue" and end is not None and name(call.value) not in taken
    ]
    key.ignored |= {name(call.value) for call in stuck[: len(stuck) // 2 + 1]}
    return [pair for pair in pairs if not ignored(key, pair)]


def ignored(key: Key, pair: Pair) -> bool:
    """Whether the operation is on a value that is judged no more."""
    call, end = pair
    if not key.ignored:
        return False
    if call.f == "enqueue":
        return name(call.value) in key.ignored
    return end is not None and end.type == "ok" and end.value is not None and name(end.value) in key.ignored
