"""What a member's own log holds, in words that every replicated service shares; read from the folder of a run.

A system that offers this (`System.keeps_logs`) says how its logs are brought home and how they are read; whoever
explains an anomaly or settles an unknown outcome sees only these records.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

FOLDER: Final = "wal"  # below nodes/NODE in the folder of a run


class Change(msgspec.Struct, frozen=True, gc=False):
    """One key that an entry changed, in the words of the client: its key, and the value that it stored (None: none).

    `space` is the capability whose key it is ("register", "set", ...); of a set or a queue `value` is the element.
    """

    space: str
    key: str
    value: Any = None


class LogEntry(msgspec.Struct, frozen=True, gc=False):
    """One entry of a member's log, with what applying it does on this member.

    `revision` is the version of the store that it made; None where it changed nothing. `refused` says why the member
    refuses it. `sure` says whether the log alone decides that: without, a client must not learn it. `asks` are the
    changes that the entry would make if it were not refused. `replayed` is False where its effect here is not known, as
    the member's log does not reach back without a gap. `through` is the member that a client gave it to.
    """

    index: int
    term: int
    action: str
    asks: tuple[Change, ...] = ()
    changes: tuple[Change, ...] = ()
    revision: int | None = None
    refused: str = ""
    sure: bool = True
    replayed: bool = True
    through: str | None = None


class Skipped(msgspec.Struct, frozen=True):
    """An entry that the member has and never applied, as its own state shows: that is what the others give.

    `start` is the place among the member's starts of the one at which it was passed over; None where there is none.
    """

    index: int
    start: int | None = None


class Start(msgspec.Struct, frozen=True):
    """A start of the server: seconds since the history began (None: not known), and what it began with, in words."""

    time_s: float | None
    says: str


class MemberLog(msgspec.Struct, frozen=True):
    """The log of one member as it was at the end of the run.

    `commit` is the last index that the member itself knew to be agreed on, `applied` the last that it had applied when
    it was asked for its state. `complete` says whether nothing is missing between the first entry ever and `last`.
    `explained` says whether its state at the end is exactly what the entries give (without those of `skipped`); None
    where that was not compared. `notes` are what is wrong or unknown.
    """

    member: str
    entries: tuple[LogEntry, ...] = ()
    term: int = 0
    commit: int = 0
    applied: int | None = None
    snapshot: int = 0
    complete: bool = False
    replaced: int = 0
    starts: tuple[Start, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    explained: bool | None = None
    notes: tuple[str, ...] = ()
    hexadecimal: bool = False

    def says(self, index: int) -> str:
        """Write an index as users of the service know it."""
        return f"0x{index:x}" if self.hexadecimal else str(index)

    @property
    def first(self) -> int:
        """The index of the first entry that is there; 0 for an empty log."""
        return self.entries[0].index if self.entries else 0

    @property
    def last(self) -> int:
        """The index of the last entry; 0 for an empty log."""
        return self.entries[-1].index if self.entries else 0
