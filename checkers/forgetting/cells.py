"""Transactions on registers whose values are written once: what was certainly overwritten is gone.

A value is dead once a settled transaction wrote the key that was called after the value's write, or a read of it, had
returned: whoever is called later and reads it contradicts real time. So no more need be held of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from checkers.forgetting.transactions import Key, Txn, Window, name, told
from harness.verdict import Anomaly

_NEVER: Final = float("inf")


class Cell(Key):
    """A register: when each value was certainly there, who read it last, and the settled write called last.

    `dropped`: values that are dead are held no more. `unsure`: nor are some that may still be read.
    """

    def __init__(self, key: Any) -> None:
        super().__init__(key)
        self.there: dict[Any, int] = {}
        self.reader: dict[Any, Txn] = {}
        self.newest: Txn | None = None
        self.dropped = False
        self.unsure = False

    def dead(self, text: Any) -> bool:
        """Whether nobody called from the last settling on can have read this value."""
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

    def settle(self, txns: Iterable[Txn], since: int) -> None:
        """Find each register's settled write and each value's settled read that were called last."""
        for txn in txns:
            if not txn.settled(since):
                continue
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
                stays |= not key.dead(text)
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
            # It tells nothing of others, so only what is wrong matters; where the first read is left out, it must go too.
            return _inside(key, value, txn, last) if self.atomic else []
        if value is None:
            # Somebody may write null later; only real time tells that it was not that one.
            return [None] if self.real_time else []
        if name(value) in key.writers:
            return [value]
        if key.unsure or not self.real_time:
            return []
        if not key.dropped:
            return told("garbage-read", f"read {value} of key {key.key}, which nobody had written", key.key, (), txn)
        if not self.strict:
            return []
        text = f"read {value} of key {key.key}, which had been overwritten for certain before it asked (or never was there)"
        return told("cycle-realtime", text, key.key, (key.newest,) if key.newest else (), txn)

    def _shown(self, key: Cell, value: Any) -> list[list[Any]]:
        return [["r", key.key, value]] if value is None or name(value) in key.writers else []


def _inside(key: Cell, value: Any, txn: Txn, last: tuple[str, Any]) -> Anomaly | list[Any]:
    if name(value) == name(last[1]):
        return []
    did = "read" if last[0] == "r" else "written"
    text = f"read {value} of key {key.key} right after it had {did} {last[1]} there itself"
    return told("internal", text, key.key, (), txn)
