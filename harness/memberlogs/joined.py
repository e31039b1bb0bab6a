"""The logs of all members side by side: who has an entry, what it did there, and where members differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any

import msgspec

from quorate.harness.core.memberlog import Change, LogEntry, MemberLog


class Did(StrEnum):
    """What a member did with an entry of its log."""

    CHANGED = "changed"  # applied it, and something changed
    NOTHING = "nothing"  # applied it, and nothing changed
    REFUSED = "refused"
    SKIPPED = "skipped"  # never applied it, though it applied later ones
    PENDING = "pending"  # had not applied it by the end
    UNKNOWN = "unknown"  # its log does not reach back far enough to say


class Joined:
    """The logs by member, and their entries by index."""

    def __init__(self, logs: Sequence[MemberLog]) -> None:
        self.logs = {log.member: log for log in logs}
        self._entries = {log.member: {entry.index: entry for entry in log.entries} for log in logs}
        self._skipped = {log.member: {one.index for one in log.skipped} for log in logs}

    def holders(self, index: int) -> list[str]:
        """The members whose logs have an entry at the index."""
        return [member for member, entries in self._entries.items() if index in entries]

    def entry(self, member: str, index: int) -> LogEntry | None:
        """The entry of one member."""
        return self._entries[member].get(index)

    def any_entry(self, index: int) -> LogEntry:
        """The entry as a member has it that applied it, or else as any has it; `KeyError` where none has."""
        found = [self._entries[member][index] for member in self.holders(index)]
        if not found:
            raise KeyError(index)
        return next((entry for entry in found if entry.asks), found[0])

    def did(self, member: str, index: int) -> Did:
        """What the member did with an entry that it has."""
        log, entry = self.logs[member], self._entries[member][index]
        if log.applied is not None and index > log.applied:
            return Did.PENDING
        if index in self._skipped[member]:
            return Did.SKIPPED
        if entry.refused:
            return Did.REFUSED
        if not entry.replayed:
            return Did.UNKNOWN
        return Did.CHANGED if entry.revision is not None else Did.NOTHING

    @cached_property
    def agreed(self) -> int:
        """The last index that some member knew to be agreed on, or had applied."""
        return max((max(log.commit, log.applied or 0) for log in self.logs.values()), default=0)

    @cached_property
    def divergent(self) -> list[int]:
        """Indexes of entries that did not do the same on all members that got to them, in order."""
        found = []
        for index in sorted(set().union(*self._entries.values())):
            done = {self.did(member, index) for member in self.holders(index)} - {Did.PENDING, Did.UNKNOWN}
            if len(done) > 1:
                found.append(index)
        return found

    @cached_property
    def conflicts(self) -> list[int]:
        """Agreed indexes at which two members have different entries: what no replicated log may ever hold."""
        found = []
        for index in sorted(set().union(*self._entries.values())):
            if index > self.agreed:
                break
            entries = [self._entries[member][index] for member in self.holders(index)]
            if len({(entry.term, entry.action) for entry in entries}) > 1:
                found.append(index)
        return found

    def says(self, index: int) -> str:
        """An index as users of the service write it."""
        return next((log.says(index) for log in self.logs.values()), str(index))

    def next_change(self, member: str, after: LogEntry, key: Any) -> LogEntry | None:
        """The next entry of the member's log that changed the key that `after` changed, of the same capability."""
        spaces = {change.space for change in after.changes if change.key == str(key)}
        for index in self._changes[member].get(str(key), []):
            entry = self._entries[member][index]
            if index > after.index and any(
                change.key == str(key) and change.space in spaces for change in entry.changes
            ):
                return entry
        return None

    def first_change(self, member: str, key: Any, space: str) -> LogEntry | None:
        """The first entry of the member's log that changed the key; None also where one removed it."""
        found = [self._entries[member][index] for index in self._changes[member].get(str(key), [])]
        values = [
            change.value
            for entry in found
            for change in entry.changes
            if change.key == str(key) and change.space == space
        ]
        first = (entry for entry in found if any(change.space == space for change in entry.changes))
        return None if None in values else next(first, None)

    @cached_property
    def _changes(self) -> dict[str, dict[str, list[int]]]:
        """By member and key, the indexes of the entries that changed it, in order."""
        found: dict[str, dict[str, list[int]]] = {}
        for member, entries in self._entries.items():
            of_member = found.setdefault(member, {})
            for index, entry in entries.items():
                for key in {change.key for change in entry.changes}:
                    of_member.setdefault(key, []).append(index)
        return found

    def asking(self, key: Any, value: Any) -> list[int]:
        """Indexes of the entries that ask for the key to hold the value, or a list that ends in it."""
        return self.asking_named(named(key, value))

    def asking_named(self, mark: tuple[str, str]) -> list[int]:
        """The same for what `named` gives."""
        return self._asking.get(mark, [])

    @cached_property
    def _asking(self) -> dict[tuple[str, str], list[int]]:
        found: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
        for entries in self._entries.values():
            for index, entry in entries.items():
                for change in entry.asks:
                    found[_named(change)].add(index)
        return {name: sorted(indexes) for name, indexes in found.items()}

    def making(self, member: str, revision: int) -> LogEntry | None:
        """The entry that made the revision on the member."""
        return self._by_revision[member].get(revision)

    @cached_property
    def _by_revision(self) -> dict[str, dict[int, LogEntry]]:
        return {
            member: {entry.revision: entry for entry in entries.values() if entry.revision is not None}
            for member, entries in self._entries.items()
        }


def named(key: Any, value: Any) -> tuple[str, str]:
    """A key and a value as they are compared: as texts, for a service stores them so."""
    return str(key), msgspec.json.encode(value, order="deterministic").decode()


def _named(change: Change) -> tuple[str, str]:
    last = change.value[-1] if isinstance(change.value, list) and change.value else change.value
    return named(change.key, last)


def listed(names: Iterable[str]) -> str:
    """Names in a sentence: `n1, n2 and n3`."""
    found = list(names)
    return " and ".join(filter(None, (", ".join(found[:-1]), *found[-1:])))
