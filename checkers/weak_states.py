"""Which states an object had, in the order that the service's own versions give its updates, and which it never had.

One line for each key: the acknowledged updates by version, and those without an answer, which may stand anywhere after
they were asked for. A state is named by what a read shows; where the read carries a version, it is the state that the
updates up to this version left. Versions may be the key's (ZooKeeper's mzxid, Consul's ModifyIndex) or the store's at
the time of the read (etcd's revision): in both, the last update that is not newer left what is read.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from typing import Any, Final, Protocol

import msgspec

from quorate.harness.history import Event

_SUMS_MAX: Final = 4096


class Update(msgspec.Struct, frozen=True, gc=False):
    """A change that may have happened: `version` is None where it was not seen, `end` where it was not answered."""

    called: int
    end: int | None
    version: int | None
    value: Any
    event: Event


class Line:
    """The updates of one key. `order` are those with a version, oldest first; `loose` those of unknown place."""

    def __init__(self, updates: Iterable[Update]) -> None:
        self.order: list[Update] = []
        self.loose: list[Update] = []
        for update in updates:
            (self.loose if update.version is None else self.order).append(update)
        self.order.sort(key=lambda update: update.version or 0)
        self._versions = [update.version or 0 for update in self.order]

    def upto(self, version: int) -> int:
        """How many of the order are not newer than this version."""
        return bisect.bisect_right(self._versions, version)

    def place(self, version: int | None, known: int | None) -> int | None:
        """How many updates of the order a read has seen: by its version, else by the newest that it shows."""
        return known if version is None else self.upto(version)


class States(Protocol):
    """A kind of object: what its updates are called, and what a read may show."""

    @property
    def reads(self) -> str:
        """The function that reads."""
        ...

    @property
    def updates(self) -> frozenset[str]:
        """The functions that change it."""
        ...

    def shown(self, line: Line, read: Event) -> int | None:
        """How many updates of the order a read without a version has certainly seen; None where that is unknown."""
        ...

    def wrong(self, line: Line, read: Event, seen: int | None) -> tuple[str, Update | None] | None:
        """Why no state that was looks like this read, with the update that it contradicts; None where one does."""
        ...

    def age_ns(self, line: Line, read: Event, called: int) -> int | None:
        """How long before the call something newer was certainly acknowledged, where no update has a version."""
        ...


class _ByVersion:
    """What cannot be placed without versions."""

    def age_ns(self, line: Line, read: Event, called: int) -> int | None:
        """Nothing is known."""
        del line, read, called
        return None


class RegisterStates:
    """Registers: a read shows what one write left, or nothing before the first."""

    reads: Final = "read"
    updates: Final = frozenset({"write", "cas"})

    def shown(self, line: Line, read: Event) -> int | None:
        """The place of the write that left the value, if that is the only one."""
        left = [at for at, update in enumerate(line.order) if update.value == read.value]
        if any(update.value == read.value for update in line.loose):
            return None
        if read.value is None and not left:
            return 0
        return left[0] + 1 if len(left) == 1 else None

    def wrong(self, line: Line, read: Event, seen: int | None) -> tuple[str, Update | None] | None:
        """The value is what the last write up to the read's version left, or one of unknown place."""
        if any(each.value == read.value and each.called < read.time for each in line.loose):
            return None
        if seen is not None:
            last = line.order[seen - 1] if seen else None
            if read.value == (last.value if last else None):
                return None
            return f"which held {'nothing' if last is None else last.value!r} then", last
        if read.value is None or any(
            each.value == read.value and each.called < read.time for each in line.order
        ):
            return None
        return "which no client had written", None

    def age_ns(self, line: Line, read: Event, called: int) -> int | None:
        """What began after the value's own write had ended is newer."""
        left = [update for update in line.loose if update.value == read.value]
        if len(left) > 1 or (not left and read.value is not None) or any(one.end is None for one in left):
            return None
        since = (left[0].end or 0) if left else -1
        newer = [update.end for update in line.loose if update.end is not None and update.called > since]
        return max(0, called - min(newer)) if newer else 0


class SetStates(_ByVersion):
    """Sets that only grow: a read holds all elements up to one of them, and none after it."""

    reads: Final = "read"
    updates: Final = frozenset({"add"})

    def shown(self, line: Line, read: Event) -> int | None:
        """The place of the newest element in the read."""
        held = set(read.value or ())
        return max((at + 1 for at, update in enumerate(line.order) if update.value in held), default=0)

    def wrong(self, line: Line, read: Event, seen: int | None) -> tuple[str, Update | None] | None:
        """Everything up to the place is there, nothing after it, and nothing that was never added."""
        held = set(read.value or ())
        place = seen or 0
        for update in line.order[:place]:
            if update.value not in held:
                return f"without {update.value}, which had been added before", update
        for update in line.order[place:]:
            if update.value in held:
                return f"with {update.value}, which was added after", update
        begun = {update.value for update in (*line.order, *line.loose) if update.called < read.time}
        ghosts = held - begun
        if ghosts:
            return f"with {min(ghosts)}, which no client had added", None
        return None


class CounterStates(_ByVersion):
    """Counters: a read is the sum of the additions up to its version, and of some of unknown place."""

    reads: Final = "read"
    updates: Final = frozenset({"add"})

    def shown(self, line: Line, read: Event) -> int | None:
        """A sum does not say which additions are in it, but zero, and only zero, says that it has none."""
        return 0 if not read.value and all(update.value > 0 for update in line.order) else None

    def wrong(self, line: Line, read: Event, seen: int | None) -> tuple[str, Update | None] | None:
        """The sum up to the read's place, and that of some additions without an answer."""
        places = range(len(line.order) + 1) if seen is None else (seen,)
        loose = [update.value for update in line.loose if update.called < read.time]
        extra = _sums(loose)
        if extra is None:
            return None
        sums = [sum(update.value for update in line.order[:place]) for place in places]
        if any((read.value or 0) - total in extra for total in sums):
            return None
        last = line.order[places[-1] - 1] if places[-1] else None
        near = sums[-1] if seen is not None else "none of the sums"
        return f"and the additions until then make {near}", last


def _sums(values: list[int]) -> set[int] | None:
    """All sums of some of these; None where they are too many."""
    found = {0}
    for value in values:
        found |= {value + one for one in found}
        if len(found) > _SUMS_MAX:
            return None
    return found


STATES: Final[dict[str, States]] = {
    "register": RegisterStates(),
    "cas-register": RegisterStates(),
    "set": SetStates(),
    "counter": CounterStates(),
}
