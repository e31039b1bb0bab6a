"""What shows an anomaly, beside its sentence and its operations: one record for each kind of evidence.

`Anomaly.detail` holds one of them. Checkers build it, `results.json` holds it under `kind`, reports draw it and
experiments read it; `reading.evidence` reads a stored one, a damaged one or one of an earlier version too. Every field
has a default, and defaults are not written. docs/reference/formats.md names the kinds.

See docs/decisions/results.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

# A value of a client's: any JSON.
Value = Any


class Base(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind"):
    """What every kind may have.

    `certificate` is what the independent verifier of the guarantee replays, in that verifier's own format. `facts` are
    further words and numbers of a checker, shown as they are.
    """

    certificate: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] = {}


class Facts(Base, frozen=True, tag="facts"):
    """Nothing but the sentence, the operations, and perhaps facts."""


class Step(msgspec.Struct, frozen=True):
    """What an operation (the index of its invocation) met in an order of all that could have happened.

    `place` counts from 1, `state` is the one after it, in words. The impossible one has no place; `text` says which
    states it can only have met.
    """

    operation: int
    place: int | None = None
    state: str = ""
    text: str = ""


class Contradiction(Base, frozen=True, tag="contradiction"):
    """Operations that fit no order.

    `minimal` is False where the time ended before the operations could be made few; `left_out` are those not among the
    anomaly's events. `steps` is an order of all but the impossible operation, where there are few. Of a set read as a
    whole, `elements` are those that matter and `reads` what each read saw of them, by the index of its invocation.
    """

    minimal: bool | None = None
    engine: str = ""
    confirmed_by: str = ""
    elements: Sequence[Value] | None = None
    reads: Mapping[str, Value] = {}
    left_out: int | None = None
    steps: Sequence[Step] = ()


class Unexplained(Base, frozen=True, tag="unexplained"):
    """Indexes of the invocations that an order explains (Porcupine's longest), and of the rest."""

    explained: Sequence[int] = ()
    rest: Sequence[int] = ()


class Transaction(msgspec.Struct, frozen=True):
    """One transaction of a cycle by its name there; `index` is that of its invocation."""

    name: str
    index: int | None = None
    process: int | str = "?"
    outcome: str = ""
    value: Value = None


class Dependency(msgspec.Struct, frozen=True, rename={"source": "from", "target": "to"}):
    """One edge of a cycle; ends are names of transactions, or indexes of invocations."""

    source: str | int
    target: str | int
    kind: str = ""
    key: Value = None
    why: str = ""


class Cycle(Base, frozen=True, tag="cycle", rename={"forbidden_by": "not"}):
    """Transactions that depend on each other in a circle, or one of several reads and writes that no order explains.

    `forbidden_by` are the weakest models that forbid it, `count` how many of its kind were found.
    """

    cycle: Sequence[Dependency] = ()
    transactions: Sequence[Transaction] = ()
    count: int | None = None
    forbidden_by: Sequence[str] = ()
    confirmed_by: str = ""


class SessionOrder(Base, frozen=True, tag="session"):
    """A session that no order of the writes explains: whose (`session` is a process), and the circle in words.

    `elements` are those of sets that matter, as in `Contradiction`.
    """

    minimal: bool | None = None
    session: int | str | None = None
    order: Sequence[str] = ()
    elements: Sequence[Value] | None = None
    confirmed_by: str = ""


class Hold(msgspec.Struct, frozen=True):
    """A stretch in which a process held something, or may have (`kind` is "held" or "maybe"); seconds.

    Without `to_s` it had not ended by the end of the history.
    """

    process: int | str
    from_s: float
    to_s: float | None = None
    node: str | None = ""
    kind: str = "held"
    token: Value = None


class Mark(msgspec.Struct, frozen=True):
    """A moment beside the holdings: a grant, a renewal, a promised end; seconds."""

    at_s: float
    what: str = ""


class Holds(Base, frozen=True, tag="holds"):
    """Who held what when, a lock or a lease."""

    intervals: Sequence[Hold] = ()
    marks: Sequence[Mark] = ()


class Shown(msgspec.Struct, frozen=True):
    """A change as a watch was shown it, in its `message`-th message; without a name, a progress notification."""

    message: int = 0
    at_s: float = 0.0
    revision: int = 0
    name: str | None = None
    value: Value = None
    bad: bool = False


class Happened(msgspec.Struct, frozen=True):
    """A change that is known to have happened; `missing`: the watch was not shown it."""

    revision: int = 0
    name: str | None = None
    value: Value = None
    missing: bool = False


class WatchStory(msgspec.Struct, frozen=True):
    """What a watch was shown around the message that is wrong, in order, and what happened, by revision.

    `more`: the watch was shown more than this.
    """

    who: str = "the watch"
    shown: Sequence[Shown] = ()
    happened: Sequence[Happened] = ()
    more: bool = False


class Watched(Base, frozen=True, tag="watch"):
    """A watch that showed the wrong change (`at`: its revision and name), or not the `missing` ones, by revision."""

    at: tuple[int, str] | None = None
    missing: Mapping[int, Sequence[str]] = {}
    watch: WatchStory | None = None


class Row(msgspec.Struct, frozen=True):
    """One object of a list; without a revision it is missing there."""

    name: str = ""
    value: Value = None
    revision: int | None = None
    bad: bool = False


class Change(msgspec.Struct, frozen=True):
    """One change of an object: the one that a list shows, the one it should show (`due`), or another."""

    revision: int | None = None
    value: Value = None
    shown: bool = False
    due: bool = False


class ListStory(msgspec.Struct, frozen=True):
    """The rows around the wrong one of a list at revision `at`, and that object's changes; `more` rows are left out."""

    who: str = ""
    at: int = 0
    name: str = ""
    missing: bool = False
    more: int = 0
    rows: Sequence[Row] = ()
    changes: Sequence[Change] = ()


class Listed(Base, frozen=True, tag="list", rename={"story": "list"}):
    """A list that is not a snapshot."""

    story: ListStory | None = None


class Missed(Base, frozen=True, tag="objective"):
    """A figure of the run beyond its objective, in seconds; None where it never ended."""

    seen_s: float | None = None


class Crash(Base, frozen=True, tag="crash"):
    """A server that ended by itself or raised an alarm, when (None: its log does not say), and its log's lines."""

    node: str = ""
    time_s: float | None = None
    lines: Sequence[str] = ()


class Divergence(Base, frozen=True, tag="divergence"):
    """Replicas that applied equally much and differ in some keys."""

    position: int = 0
    nodes: Sequence[str] = ()
    keys: Sequence[Value] = ()


Evidence = (
    Facts
    | Contradiction
    | Unexplained
    | Cycle
    | SessionOrder
    | Holds
    | Watched
    | Listed
    | Missed
    | Crash
    | Divergence
)
