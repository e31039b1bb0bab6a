"""What the events say of some keys of transactions: the reading glasses of the second judge.

Shares no code with the engine, and reads only the events that name one of the keys: the texts of a million operations
are scanned as bytes, and few are decoded.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import msgspec

from quorate.harness.history import Event, History
from quorate.harness.history.columns import NONE

# Events that are fewer than one in so many are decoded one by one.
_FEW: Final = 8
_NAMES: Final = {"r": "r", "read": "r", "w": "w", "write": "w", "append": "w"}
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:-]+")


class TooLargeError(Exception):
    """The evidence cannot be confirmed in the time given."""


class Mop(msgspec.Struct, frozen=True):
    """One operation of a transaction: `r` or `w`, a key and a value (of lists, what was read as a tuple)."""

    at: int
    f: str
    key: Any
    value: Any


class Txn(msgspec.Struct, frozen=True):
    """A transaction, known by the index of its invocation. `call` and `ret` are positions, `begun` and `ended` times.

    Only operations on the keys of the story are held; reads only where they are known.
    """

    index: int
    process: int | str
    outcome: str
    mops: Sequence[Mop]
    call: int
    ret: int
    begun: int
    ended: int

    def reads(self, key: Any) -> list[Mop]:
        """Its reads of a key."""
        return [mop for mop in self.mops if mop.f == "r" and mop.key == key]

    def writes(self, key: Any) -> list[Mop]:
        """Its writes or appends of a key."""
        return [mop for mop in self.mops if mop.f == "w" and mop.key == key]


class Story:
    """All that transactions did to some keys. `lists` says whether the values are lists that are appended to."""

    def __init__(
        self,
        history: History,
        model: str,
        keys: Iterable[Any],
        deadline: float,
        named: Iterable[int] = (),
    ) -> None:
        """Read it, and the transactions invoked at the events `named` (indexes) whatever their keys are.

        Raises `TooLargeError` where that takes longer than until `deadline` (monotonic seconds).
        """
        self.lists = model == "append"
        self.history = history
        self._keys = {same(key) for key in keys}
        times = history.columns.time
        self.timeless = len(times) == 0 or bool(times[0] == times[-1])
        read = self._read(list(keys), _known(history, named), deadline)
        self.txns = {txn.index: txn for txn in read}
        # Who wrote a value of a key: one that was written twice proves nothing.
        self.writers: dict[tuple[Any, Any], list[tuple[Txn, Mop]]] = defaultdict(list)
        for txn in self.txns.values():
            for mop in txn.mops:
                if mop.f == "w":
                    self.writers[mop.key, mop.value].append((txn, mop))

    def _read(self, keys: Sequence[Any], named: Iterable[int], deadline: float) -> Iterator[Txn]:
        events = {at: self.history.event(at) for at in named}
        for at, event in _about(self.history, keys):
            events[at] = event
            if time.monotonic() > deadline:
                msg = "reading the history again took longer than the time given"
                raise TooLargeError(msg)
        pair = self.history.columns.pair
        for at in sorted(events):
            partner = None if pair[at] == NONE else int(pair[at])
            if events[at].type == "invoke":
                end = None if partner is None else events.get(partner) or self.history.event(partner)
                yield self._txn(at, events[at], partner, end)
            elif partner is not None and partner not in events:
                yield self._txn(partner, self.history.event(partner), at, events[at])

    def _txn(self, call: int, invoke: Event, ret: int | None, end: Event | None) -> Txn:
        outcome = "info" if end is None else str(end.type)
        known = end is not None and outcome == "ok" and end.value is not None
        value = end.value if known and end is not None else invoke.value
        mops = tuple(self._mops(value, known=known))
        over = end is not None and outcome == "ok"
        return Txn(
            invoke.index,
            invoke.process,
            outcome,
            mops,
            call,
            ret if over and ret is not None else -1,
            invoke.time,
            end.time if over and end is not None else -1,
        )

    def _mops(self, value: Any, *, known: bool) -> Iterator[Mop]:
        for at, mop in enumerate(value if isinstance(value, list) else ()):
            match mop:
                case [str(name), asked, *rest] if name in _NAMES and same(asked) in self._keys:
                    f, found = _NAMES[name], rest[0] if rest else None
                    listed = f == "r" and self.lists
                    if f == "w" or (known and rest):
                        read = tuple(map(same, found or ())) if listed else same(found)
                        yield Mop(at, f, same(asked), read)
                case _:
                    continue

    def writer(self, key: Any, value: Any) -> tuple[Txn, Mop] | None:
        """Who wrote this value, if exactly one operation did."""
        found = self.writers.get((key, value), ())
        return found[0] if len(found) == 1 else None

    @cached_property
    def seen(self) -> Mapping[Any, list[tuple[Txn, Mop]]]:
        """Of each key, what transactions that succeeded read."""
        found: dict[Any, list[tuple[Txn, Mop]]] = defaultdict(list)
        for txn in self.txns.values():
            for mop in txn.mops:
                if mop.f == "r":
                    found[mop.key].append((txn, mop))
        return found

    def contents(self, mop: Mop) -> Sequence[Any]:
        """The values that a read saw: a list's elements, or the one value."""
        return mop.value if self.lists else (mop.value,)

    @cached_property
    def observed(self) -> set[int]:
        """The transactions of which another that succeeded saw a write."""
        return {
            owner[0].index
            for key, reads in self.seen.items()
            for txn, mop in reads
            for value in set(self.contents(mop))
            if (owner := self.writer(key, value)) and owner[0].index != txn.index
        }

    def happened(self, txn: Txn) -> bool:
        """Whether it certainly took effect: it said so, or its outcome is unknown and another saw it."""
        return txn.outcome == "ok" or (txn.outcome == "info" and txn.index in self.observed)

    def untouched(self, key: Any) -> bool:
        """Whether null means that nothing was written: null itself never was."""
        return (key, NULL) not in self.writers


def same(value: Any) -> Any:
    """A value as something hashable that is equal exactly where the JSON values are (1 and 1.0 are, 1 and true not)."""
    if type(value) is int or type(value) is str:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    return msgspec.json.encode(value)


NULL: Final = same(None)


def _known(history: History, indexes: Iterable[int]) -> Iterator[int]:
    """The positions of events; what the history does not have is passed over."""
    for index in indexes:
        with contextlib.suppress(KeyError):
            yield history.position(index)


def _about(history: History, keys: Sequence[Any]) -> Iterator[tuple[int, Event]]:
    """The events that can be about one of these keys: all where a key has more than one spelling."""
    texts = [
        msgspec.json.encode(key)
        for key in keys
        if type(key) is int or (isinstance(key, str) and _PLAIN.fullmatch(key) is not None)
    ]
    if len(texts) < len(keys):
        yield from enumerate(history.events())
        return
    found = history.handle.holding([b'",' + text + end for text in texts for end in (b",", b"]")]).tolist()
    if len(found) * _FEW < len(history):
        yield from ((at, history.event(at)) for at in found)
        return
    events = history.events()
    yield from ((at, events[at]) for at in found)
