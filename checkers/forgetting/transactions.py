"""Transactions during a run: those that are still held, and the part of them that is judged.

What is held is a projection of the history: reads are left out one by one, and a write only together with every sight
of it (its element in every list, every read that returned it). Run the transactions of a correct history as they ran,
without what is left out, and every read that stays comes out as it stands there. So the projection of a correct history
is correct, whatever was left out, and an alarm is final. What to leave out decides only how much is found early
(docs/decisions/online-checking.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec

from quorate.harness.core.verdict import Anomaly
from quorate.harness.history.event import Event

STRICT: Final = frozenset({"strict-serializable", "linearizable", "strong-serializable", "strict-1sr"})
# Models under which nothing can be read that is written only later.
REAL_TIME: Final = STRICT | {"strong-read-committed", "strong-snapshot-isolation"}
# Models under which a transaction's reads must agree with what it read and wrote before.
ATOMIC: Final = STRICT | {
    "read-atomic",
    "parallel-snapshot-isolation",
    "snapshot-isolation",
    "strong-session-snapshot-isolation",
    "strong-snapshot-isolation",
    "serializable",
    "strong-session-serializable",
}
# Models that allow to see what is never committed. An early alarm is not final under them: who wrote what was seen may
# fail later, and then it does not count.
DIRTY: Final = frozenset({"read-uncommitted", "strong-session-read-uncommitted", "strong-read-uncommitted"})
# Names of keys left behind that are held; beyond that, a key that is not held is taken for one left behind.
_LEFT_MAX: Final = 100_000


class ForeignError(ValueError):
    """A value that is not a list of micro-operations."""


class Txn:
    """A transaction that is held. `ops` are (function, key, value) of what is known of it, on keys that are judged.

    `open`: its client still waits. `follower`: the settled transaction that shows that this one, whose outcome is
    unknown, came first.
    """

    __slots__ = ("call", "end", "follower", "known", "open", "ops")

    def __init__(self, call: Event) -> None:
        self.call = call
        self.end: Event | None = None
        self.open = True
        self.known = False
        self.ops: list[tuple[str, Any, Any]] = []
        self.follower: Txn | None = None

    @property
    def outcome(self) -> str:
        """`ok`, `fail` or `info`, as far as it is known."""
        return self.end.type if self.end is not None and self.known else "info"

    def settled(self, since: int) -> bool:
        """Whether it happened, and had returned before this moment."""
        return self.outcome == "ok" and self.end is not None and self.end.time < since

    def follows(self, other: Txn | None) -> bool:
        """Whether it is the one that must be held to show that `other`, of unknown outcome, came first."""
        if other is None or other is self or other.outcome != "info":
            return False
        other.follower = other.follower or self
        return other.follower is self


class Key:
    """What every key has: the writes of it that are held, by value. `left`: it is judged no more."""

    def __init__(self, key: Any) -> None:
        self.key = key
        self.left = False
        self.touched = 0
        self.writers: dict[Any, Txn] = {}


class Window(ABC):
    """The keys of the transactions held, and what of them may be left out; `expect` is the model that must hold."""

    write: str

    def __init__(self, expect: str) -> None:
        self.real_time = expect in REAL_TIME
        self.strict = expect in STRICT
        self.atomic = expect in ATOMIC
        self.keys: dict[Any, Any] = {}
        self.looks = 0
        self._left: set[Any] = set()

    def asked(self, txn: Txn) -> None:
        """Take what a client asks for: its writes may be seen from now on. Raises `ForeignError`."""
        txn.ops = [op for op in self._parsed(txn.call.value) if op[0] == self.write]
        self._enter(txn)

    def answered(self, txn: Txn) -> Anomaly | None:
        """Take the outcome; return what is wrong for certain. Raises `ForeignError`."""
        txn.known = True
        if txn.outcome != "ok" or txn.end is None:
            return None
        if txn.end.value is not None:
            txn.ops = self._parsed(txn.end.value)
            self._enter(txn)
        kept: list[tuple[str, Any, Any]] = []
        last: dict[Any, tuple[str, Any]] = {}
        for f, key, value in txn.ops:
            if f == self.write:
                kept.append((f, key, value))
            else:
                seen = self._saw(key, value, txn, last.get(id(key)))
                if isinstance(seen, Anomaly):
                    return seen
                kept += [(f, key, one) for one in seen]
            last[id(key)] = (f, value)
        txn.ops = kept
        self._returned(txn)
        return None

    def shown(self, txn: Txn) -> list[list[Any]]:
        """Return what is judged of a transaction."""
        found = []
        for f, key, value in txn.ops:
            if key.left:
                continue
            if f == self.write:
                if key.writers.get(name(value)) is txn:
                    found.append([f, key.key, value])
            else:
                found += self._shown(key, value)
        return found

    def leave(self, key: Any) -> None:
        """Judge a key no more: writes of it are ambiguous, or too much is held."""
        key.left = True
        self.keys.pop(name(key.key), None)
        if len(self._left) < _LEFT_MAX:
            self._left.add(name(key.key))

    @abstractmethod
    def settle(self, txns: Collection[Txn], since: int) -> None:
        """Learn from all transactions held what is certain since that moment."""

    @abstractmethod
    def loose(self, txn: Txn) -> bool:
        """Whether what is read later may put its writes in front of others that were there before."""

    @abstractmethod
    def over(self, txn: Txn, since: int) -> bool:
        """Whether nothing that is called from that moment on can contradict real time only by this transaction."""

    @abstractmethod
    def drop(self, txn: Txn) -> None:
        """Hold the transaction no more."""

    @abstractmethod
    def _saw(self, key: Any, value: Any, txn: Txn, last: tuple[str, Any] | None) -> Anomaly | list[Any]:
        """Take a read: return what is held of it, nothing if it is left out, or what is wrong with it.

        `last` is what the transaction did to the key before, function and value.
        """

    @abstractmethod
    def _shown(self, key: Any, value: Any) -> list[list[Any]]:
        """Return a read that is held as it is judged, or nothing."""

    @abstractmethod
    def _wrote(self, key: Any, value: Any) -> bool:
        """Whether a write of this value can be distinguished from all others."""

    @abstractmethod
    def _fresh(self, key: Any) -> Key:
        """Make the state of a key."""

    def _returned(self, txn: Txn) -> None:  # noqa: B027 - lists need nothing of it
        """Note that a transaction that happened has returned."""

    def _at(self, raw: Any) -> Any:
        text = name(raw)
        key = self.keys.get(text)
        if key is None and text not in self._left and len(self._left) < _LEFT_MAX:
            key = self.keys[text] = self._fresh(raw)
        if key is not None:
            key.touched = self.looks
        return key

    def _parsed(self, value: Any) -> list[tuple[str, Any, Any]]:
        found = []
        try:
            for f, raw, argument in value or ():
                if f not in ("r", self.write):
                    raise ForeignError(f)
                key = self._at(raw)
                if key is not None:
                    found.append((f, key, argument))
        except (TypeError, ValueError) as error:
            raise ForeignError(str(error)) from error
        return found

    def _enter(self, txn: Txn) -> None:
        for f, key, value in txn.ops:
            text = name(value)
            if f != self.write or key.left or key.writers.get(text) is txn:
                continue
            if text in key.writers or not self._wrote(key, value):
                self.leave(key)
            else:
                key.writers[text] = txn


def name(value: Any) -> Any:
    """Return what stands for a value as a key of a dictionary: equal values have equal names, no others."""
    return value if type(value) is int or type(value) is str else msgspec.json.encode(value)


def told(kind: str, text: str, key: Any, txns: Iterable[Txn], at: Txn) -> Anomaly:
    """Return an anomaly that needs no engine: what `at` read, and the others that show that it cannot be."""
    events = [event for txn in (*txns, at) for event in (txn.call, txn.end) if event is not None]
    sentence = f"the transaction at index {at.call.index} (process {at.call.process}) {text}"
    return Anomaly(kind, sentence, key, sorted({event.index for event in events}), at.call.index)
