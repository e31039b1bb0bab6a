"""What clients ask of the store, and what replicas keep in their logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from quorate.harness.core.outcome import OutcomeError, Reply

READS: Final = frozenset(
    {"read", "members", "value", "current", "listing", "granted", "renew", "leader", "names"}
)
# What a replica may answer by itself where reads are the session's.
SESSION_READS: Final = frozenset({"read", "members", "value", "current"})
NOTHING: Final = "nothing"  # what a new leader commits first, to learn what is committed


class Command(msgspec.Struct, frozen=True, gc=False):
    """One request: what to do, to which key, with which argument, for which session.

    `twist` is a bug that the leader decided on when it accepted the command, so that all replicas apply the same;
    `prepared` is what a buggy leader worked out in advance; `seen` the newest version that the session saw.
    """

    f: str
    key: str = ""
    argument: Any = None
    session: str = ""
    twist: str = ""
    prepared: Any = None
    seen: int = 0


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A position in the log: the term it was proposed in and its command."""

    term: int
    command: Command


Outcome: TypeAlias = Reply | OutcomeError
Answer: TypeAlias = Callable[[Outcome], None]
