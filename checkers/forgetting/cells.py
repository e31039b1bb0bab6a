"""Transactions on registers whose values are written once: what was certainly overwritten is gone.

A value is dead once a settled transaction wrote the key that was called after the value's write, or a read of it, had
returned: whoever is called later and reads it contradicts real time. So no more need be held of it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from quorate.checkers.forgetting.transactions import Key, Txn, Window, name, told
from quorate.harness.core.verdict import Anomaly

_NEVER: Final = float("inf")


class Cell(Key):
    """A register: when each value was certainly there, who read it last, and the settled write called last.

    `needed`: values that were read by transactions which are not settled themselves, or whose values live.
    `dropped`: values that are dead are held no more. `unsure`: nor are some that may still be read.
    """

    def __init__(self, key: Any) -> None:
        super().__init__(key)
        self.there: dict[Any, int] = {}
        self.reader: dict[Any, Txn] = {}
        self.needed: set[Any] = set()
        self.newest: Txn | None = None
        self.dropped = False
        self.unsure = False

    def dead(self, text: Any) -> bool:
        """Whether no client that called from the last settling on can have read this value."""
        newest = self.newest
        if newest is None or self.writers.get(text) is newest:
            return False
        return self.there.get(text, _NEVER) < newest.call.time

    def note(self, text: Any, time: int) -> None:
        """The value was there by this time."""
        self.there[text] = min(time, self.there.get(text, time))


class Cells(Window):
    """The window of transactions on registers."""

    write = "w"

    def settle(self, txns: Collection[Txn], since: int) -> None:
        """Find each register's settled write and each value's settled read that were called last."""
        for key in self.keys.values():
            key.needed.clear()
        for txn in txns:
            if txn.settled(since):
                self._settle(txn)
        for txn in txns:
            if not txn.settled(since) or self.loose(txn):
                for f, key, value in txn.ops:
                    if f == "r":
                        key.needed.add(name(value))

    def _settle(self, txn: Txn) -> None:
        for f, key, value in txn.ops:
            text = name(value)
            if f == self.write:
                if key.newest is None or txn.call.time > key.newest.call.time:
                    key.newest = txn
            elif text in key.writers:
                last = key.reader.get(text)
                if last is None or txn.call.time > last.call.time:
                    key.reader[text] = txn

    def loose(self, txn: Txn) -> bool:
        """Whether one of its values is not dead."""
        return any(f != "r" and not key.left and not key.dead(name(value)) for f, key, value in txn.ops)

    def over(self, txn: Txn, since: int) -> bool:
        """Whether its values are dead, it is not the last to read one that lives, and places no unknown transaction."""
        if txn.outcome == "fail" or not (txn.settled(since) or txn.outcome == "info") or txn.open:
            return False
        stays = False
        for f, key, value in txn.ops:
            text = name(value)
            if key.left:
                continue
            if f == self.write:
                stays |= not key.dead(text) or text in key.needed
            elif text in key.writers:
                stays |= key.reader.get(text) is txn and not key.dead(text)
                stays |= txn.follows(key.writers[text])
        return not stays

    def drop(self, txn: Txn) -> None:
        """Leave its writes out, and all reads of them."""
        for f, key, value in txn.ops:
            text = name(value)
            if f != self.write or key.writers.get(text) is not txn:
                continue
            key.unsure |= not key.dead(text)
            key.dropped = True
            del key.writers[text]
            key.there.pop(text, None)
            key.reader.pop(text, None)

    def _fresh(self, key: Any) -> Cell:
        return Cell(key)

    def _wrote(self, key: Cell, value: Any) -> bool:  # noqa: ARG002 - of the interface
        # Where null is written, it does not mean the beginning any more.
        return value is not None

    def _returned(self, txn: Txn) -> None:
        assert txn.end is not None
        for f, key, value in txn.ops:
            text = name(value)
            if (f == "r" and text in key.writers) or key.writers.get(text) is txn:
                key.note(text, txn.end.time)

    def _saw(self, key: Cell, value: Any, txn: Txn, last: tuple[str, Any] | None) -> Anomaly | list[Any]:
        if key.left:
            return []
        if last is not None:
            # It says nothing of others: only what is wrong matters, and the first read may have been left out.
            return _inside(key, value, txn, last) if self.atomic else []
        if value is None:
            # A client may write null later; only real time shows that it was not that one.
            return [None] if self.real_time else []
        return [value] if name(value) in key.writers else self._unknown(key, value, txn)

    def _unknown(self, key: Cell, value: Any, txn: Txn) -> Anomaly | list[Any]:
        """Judge a read of a value that no write held has: it was never written, or it is dead."""
        if key.unsure or not self.real_time or (key.dropped and not self.strict):
            return []
        if not key.dropped:
            text = f"read {value} of key {key.key}, which no client had written"
            return told("garbage-read", text, key.key, (), txn)
        text = (
            f"read {value} of key {key.key}, which had been overwritten before it asked, or was never there"
        )
        return told("cycle-realtime", text, key.key, (key.newest,) if key.newest else (), txn)

    def _shown(self, key: Cell, value: Any) -> list[list[Any]]:
        return [["r", key.key, value]] if value is None or name(value) in key.writers else []


def _inside(key: Cell, value: Any, txn: Txn, last: tuple[str, Any]) -> Anomaly | list[Any]:
    if name(value) == name(last[1]):
        return []
    did = "read" if last[0] == "r" else "written"
    text = f"read {value} of key {key.key} right after it had {did} {last[1]} there itself"
    return told("internal", text, key.key, (), txn)
