"""List-append transactions: what later transactions can still contradict.

Every list is a beginning of the longest that was read, so whoever misses an element misses all that follow. Of what is
settled, only the newest element and one transaction that shows it are needed to catch whoever misses any.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from quorate.checkers.forgetting.transactions import ForeignError, Key, Txn, Window, name, told
from quorate.harness.core.verdict import Anomaly


class ListKey(Key):
    """A list: the longest that was read, and how much of it is settled, with the transaction that shows so much.

    `last` is the settled reader that was called last: it missed what of unknown outcome is in no list yet.
    """

    def __init__(self, key: Any) -> None:
        super().__init__(key)
        self.trunk: list[Any] = []
        self.place: dict[Any, int] = {}
        self.gone: set[Any] = set()
        self.longest: Txn | None = None
        self.sure = 0
        self.witness: Txn | None = None
        self.last: Txn | None = None
        self.changed = True
        self._kept: list[Any] = []
        self._upto: list[int] = []

    def part(self, length: int) -> list[Any]:
        """Return the first elements of the list without those whose appends are not held."""
        if self.changed:
            self._kept, self._upto, self.changed = [], [0], False
            for value in self.trunk:
                if name(value) in self.writers:
                    self._kept.append(value)
                self._upto.append(len(self._kept))
        return self._kept[: self._upto[length]]

    def before(self, length: int) -> Txn | None:
        """Who appended the last of so many elements, if that is held."""
        return self.writers.get(name(self.trunk[length - 1])) if length else None


class Lists(Window):
    """The window of list-append transactions."""

    write = "append"

    def settle(self, txns: Collection[Txn], since: int) -> None:
        """Find the longest list of each key that was certainly there before that moment."""
        for txn in txns:
            if not txn.settled(since):
                continue
            for f, key, value in txn.ops:
                length = value if f == "r" else key.place.get(name(value), -1) + 1
                if length > key.sure:
                    key.sure, key.witness = length, txn
                if f == "r" and (key.last is None or txn.call.time > key.last.call.time):
                    key.last = txn

    def loose(self, txn: Txn) -> bool:
        """Whether one of its elements is in no list yet."""
        return any(f != "r" and not key.left and name(value) not in key.place for f, key, value in txn.ops)

    def over(self, txn: Txn, since: int) -> bool:
        """Whether its elements are followed by settled ones, and no unknown transaction needs it to be placed."""
        if txn.outcome == "fail" or not (txn.settled(since) or txn.outcome == "info") or txn.open:
            return False
        stays = False
        for f, key, value in txn.ops:
            if key.left:
                continue
            place = value if f == "r" else key.place.get(name(value))
            stays |= (
                key.witness is txn or key.last is txn or place is None or (f != "r" and place + 1 >= key.sure)
            )
            # Evaluated for every key: it may be the first that shows an unknown transaction on one of them.
            if place is not None and txn.outcome == "ok":
                stays |= txn.follows(key.before(place))
        return not stays

    def drop(self, txn: Txn) -> None:
        """Leave its elements out of all lists."""
        for f, key, value in txn.ops:
            if f != "r" and key.writers.get(name(value)) is txn:
                del key.writers[name(value)]
                key.gone.add(name(value))
                key.changed = True

    def _fresh(self, key: Any) -> ListKey:
        return ListKey(key)

    def _wrote(self, key: ListKey, value: Any) -> bool:
        key.changed = True
        return name(value) not in key.gone

    def _saw(self, key: ListKey, value: Any, txn: Txn, last: tuple[str, Any] | None) -> Anomaly | list[Any]:  # noqa: ARG002
        found = [] if value is None else value
        if not isinstance(found, list):
            raise ForeignError(str(value))
        if key.left:
            return []
        known = len(key.trunk)
        if found[:known] != key.trunk[: len(found)]:
            return _incompatible(key, found, txn)
        for at, element in enumerate(found[known:], known):
            text = name(element)
            if self.real_time and text not in key.writers and text not in key.gone:
                sentence = f"read {element} of key {key.key}, which no client had appended"
                return told("garbage-read", sentence, key.key, (), txn)
            key.place.setdefault(text, at)
        if len(found) > known:
            key.trunk += found[known:]
            key.longest, key.changed = txn, True
        return [len(found)]

    def _shown(self, key: ListKey, value: int) -> list[list[Any]]:
        return [["r", key.key, key.part(value)]]


def _incompatible(key: ListKey, found: list[Any], txn: Txn) -> Anomaly:
    pairs = zip(found, key.trunk, strict=False)
    place = next(at for at, (ours, theirs) in enumerate(pairs) if ours != theirs)
    text = (
        f"read key {key.key} with {found[place]} at place {place}, where {key.trunk[place]} had been read: no single "
        "order of its versions explains both"
    )
    others = (key.longest,) if key.longest is not None else ()
    return told("incompatible-order", text, key.key, others, txn)
