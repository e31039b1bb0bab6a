"""Registers, strings with append, and single elements of sets: what was certainly overwritten is gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from quorate.checkers.forgetting.key import Key, Pair, name, ok, over

_LOOKS = ("read", "contains")
_OVERWRITES = ("write", "delete", "add", "remove")


def forget_register(key: Key, pairs: list[Pair], since: int) -> list[Pair]:
    """Values written once go with all operations on them; other registers by what was overwritten."""
    plain = all(call.f in ("read", "write", "cas") for call, _ in pairs)
    if plain and unique(pairs, key.initial):
        gone = overwritten(pairs, since)
        return [pair for pair in pairs if pair[0].index not in gone]
    return forget_overwritten(pairs, since)


def forget_overwritten(pairs: list[Pair], since: int) -> list[Pair]:
    """Start anew behind the write that was called last among those that returned before `since`.

    What was called after its return stays as it is: all of it took effect behind that write. Of the others, what only
    looks goes. A change that had returned before that write was called is seen by nothing that stays, and goes too. The
    rest stays; a compare-and-set as a write, for what it compared with may be gone, and writing is less to ask.
    """
    settled = [pair for pair in pairs if ok(pair) and over(pair, since) and pair[0].f in _OVERWRITES]
    if not settled:
        return pairs
    last, end = max(settled, key=lambda pair: pair[0].time)
    cut = end.time if end is not None else since
    kept = []
    for call, done in pairs:
        if call.time > cut or done is None:
            kept.append((call, done))
        elif call.f in _LOOKS or done.type == "fail" or (done.type == "ok" and done.time < last.time):
            continue
        elif call.f == "cas" and done.type == "ok":
            kept.append((_as_write(call, call), _as_write(done, call)))
        else:
            kept.append((call, done))
    return kept


def _as_write(event: Any, call: Any) -> Any:
    return msgspec.structs.replace(event, f="write", value=call.value[1])


def _left(pair: Pair) -> Any:
    return pair[0].value[1] if pair[0].f == "cas" else pair[0].value


def unique(pairs: Sequence[Pair], initial: Any) -> bool:
    """Whether no value is written twice."""
    seen = {name(initial)}
    for call, end in pairs:
        if call.f == "read" or (end is not None and end.type == "fail"):
            continue
        text = name(_left((call, end)))
        if text in seen:
            return False
        seen.add(text)
    return True


def overwritten(pairs: Sequence[Pair], since: int) -> set[int]:
    """The indexes of the invocations on values that can never be there again, refused operations and unknown reads.

    Values tied by compare-and-sets stand or fall together. They are gone if a write outside was called after one of
    their operations had returned, and had returned itself before every open operation was called; then any later
    sight of them contradicts real time, whatever else happens. Reading one later is as wrong as reading a value that
    was never written.
    """
    tied = _Tied()
    members: dict[bytes, list[Pair]] = {}
    forgotten: list[Pair] = []
    for call, end in pairs:
        if end is not None and (end.type == "fail" or (call.f == "read" and end.type == "info")):
            if call.time < since:
                forgotten.append((call, end))
        elif call.f == "cas":
            tied.join(*map(name, call.value))
    for call, end in pairs:
        if call.f != "read" or ok((call, end)):
            value = end.value if call.f == "read" and end is not None else _left((call, end))
            members.setdefault(tied.root(name(value)), []).append((call, end))
    writes = [
        (pair[0].time, tied.root(name(pair[0].value)))
        for pair in pairs
        if pair[0].f == "write" and ok(pair) and over(pair, since)
    ]
    # The latest call of a settled write, and the latest of another group.
    best = max(writes, default=(-1, b""))
    second = max((time for time, root in writes if root != best[1]), default=-1)
    for root, group in members.items():
        first = min((end.time for _, end in group if end is not None and end.type == "ok"), default=None)
        still = any(
            end is None or call.time >= since or (call.f == "write" and end.type == "info")
            for call, end in group
        )
        if not still and first is not None and first < (best[0] if best[1] != root else second):
            forgotten += group
    return {call.index for call, _ in forgotten}


class _Tied:
    """Values in groups."""

    def __init__(self) -> None:
        self._above: dict[bytes, bytes] = {}

    def root(self, value: bytes) -> bytes:
        while value in self._above:
            value = self._above[value]
        return value

    def join(self, one: bytes, other: bytes) -> None:
        one, other = self.root(one), self.root(other)
        if one != other:
            self._above[one] = other
