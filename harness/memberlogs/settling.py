"""Settles operations whose outcome no client knows, where the members' own logs leave no doubt about it.

An operation becomes `ok` where exactly one entry of the agreed log is its own and that entry, by every member's log,
changed what it asked for; its answer is put where the entry had certainly been applied: at the first answer to an
operation that stands behind it in the log, or at the end. It becomes `fail` where every member's log is whole and none
has it, or where every member applied its entry without an effect. All else stays unknown. Why this is sound, and what
has to hold before anything is settled at all: docs/decisions/member-logs.md.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

import msgspec

from quorate.harness.core.memberlog import MemberLog
from quorate.harness.history import History
from quorate.harness.history.event import Event, Operation, Type
from quorate.harness.memberlogs import operations
from quorate.harness.memberlogs.joined import Did, Joined, named

_READS_NOTHING: Final = frozenset({"write", "cas", "add", "enqueue"})
_END: Final = sys.maxsize  # behind all events

Mark = tuple[str, str]


class Unsettled(StrEnum):
    """Why an operation stays unknown."""

    UNMARKED = "it writes nothing that is its alone, as reads do"
    READS = "it happened, but what it read is in no log"
    PENDING = "its entry was not agreed on by the end"
    SEVERAL = "its entry is in the log more than once, or in parts"
    UNSURE = "the log alone does not decide what its entry did"
    SEEN = "no log has it, but a client saw it"
    UNCALIBRATED = "no acknowledged operation of its kind shows how the log records such an operation"
    OPEN = "it was never answered"


class Settled(msgspec.Struct, frozen=True):
    """What came of it: the history with the settled outcomes, how many, and why others (or all) stay unknown.

    `reason` says why nothing could be settled; empty where something could be.
    """

    happened: int = 0
    never: int = 0
    unknown: int = 0
    why: dict[str, int] = {}
    reason: str = ""

    def __str__(self) -> str:
        """Say it in a sentence."""
        if self.reason:
            return f"no unknown outcome was settled: {self.reason}"
        if not self.happened + self.never + self.unknown:
            return "no outcome was unknown: nothing was to be settled"
        more = "; ".join(f"{count}: {why}" for why, count in sorted(self.why.items()))
        text = (
            f"unknown outcomes, settled by the members' logs: {self.happened} happened, {self.never} never did, "
            f"{self.unknown} stay unknown"
        )
        return f"{text} ({more})" if more else text


def settle(history: History, logs: Sequence[MemberLog], nodes: int) -> tuple[History, Settled]:
    """Settle what can be; `nodes` is how many members the cluster has. Without a change the history is the same."""
    found = history.operations()
    unknown = [one for one in found if one.outcome == Type.INFO]
    reason = _unfit(logs, nodes)
    if reason or not unknown:
        return history, Settled(unknown=len(unknown), reason=reason)
    settling = _Settling(Joined(logs), found)
    reason = settling.contradiction()
    if reason:
        return history, Settled(unknown=len(unknown), reason=reason)
    decided: dict[int, Type] = {}
    places: dict[int, int] = {}
    why: Counter[str] = Counter()
    for one in unknown:
        outcome, index = settling.outcome(one)
        if isinstance(outcome, Unsettled):
            why[outcome.value] += 1
            continue
        assert one.completion is not None
        decided[one.completion.index] = outcome
        if outcome is Type.OK:
            places[one.completion.index] = settling.answered_after(index)
    settled = Settled(
        happened=len(places),
        never=len(decided) - len(places),
        unknown=len(unknown) - len(decided),
        why=dict(why),
    )
    return (_rewritten(history, decided, places) if decided else history), settled


def _unfit(logs: Sequence[MemberLog], nodes: int) -> str:
    """Why these logs settle nothing; empty where they may."""
    if len(logs) < nodes:
        return f"the run kept the logs of {len(logs)} of {nodes} members"
    for log in logs:
        if not log.complete:
            return f"the log of {log.member} is not complete" + "".join(f": {note}" for note in log.notes[:1])
        if log.explained is False:
            return f"the state of {log.member} at the end is not what its log gives"
    if not any(log.explained for log in logs):
        return "no member's state could be compared with its log"
    return ""


class _Settling:
    """The logs, and what the history knows for certain of them."""

    def __init__(self, joined: Joined, found: Sequence[Operation]) -> None:
        self._joined = joined
        self._operations = found
        asked: Counter[Mark] = Counter()
        self._seen: set[Mark] = set()
        for one in found:
            asked.update(named(*mark) for mark in operations.written(one.invoke))
            self._seen.update(named(*mark) for mark in operations.seen(one))
        self._asked = asked
        self._calibrated: set[str] = set()
        self._answers: list[tuple[int, int]] = []  # (index in the log, index of the answer's event)

    def contradiction(self) -> str:
        """Why the logs are not the whole truth of this history; empty where nothing speaks against them."""
        joined = self._joined
        if joined.conflicts:
            return (
                f"the members' logs differ at entry {joined.says(joined.conflicts[0])}, which was agreed on"
            )
        if joined.divergent:
            return f"the members disagree on what entry {joined.says(joined.divergent[0])} did (quorate why)"
        for one in self._operations:
            reason = self._against(one)
            if reason:
                return reason
        return ""

    def _against(self, one: Operation) -> str:
        """What a certain outcome says against the logs; an acknowledged one shows how the log records its kind."""
        marks = self._marks(one)
        if not marks or one.completion is None or one.outcome == Type.INFO:
            return ""
        indexes = self._indexes(marks)
        changed = [index for index in indexes if self._changed(index)]
        who = f"p{one.invoke.process}'s {one.invoke.f} of {one.invoke.value} (event {one.invoke.index})"
        if one.outcome == Type.FAIL:
            return f"{who} was refused, and is in the log all the same" if changed else ""
        if not changed:
            return f"{who} was acknowledged, and no log says that it happened"
        self._calibrated.add(one.invoke.f)
        self._answers.append((min(changed), one.completion.index))
        return ""

    def _marks(self, one: Operation) -> list[Mark]:
        """What identifies the operation in the log; empty where another operation asks for one of the same."""
        marks = [named(*mark) for mark in operations.written(one.invoke)]
        return marks if all(self._asked[mark] == 1 for mark in marks) else []

    def _indexes(self, marks: Sequence[Mark]) -> set[int]:
        return {index for mark in marks for index in self._joined.asking_named(mark)}

    def _changed(self, index: int) -> bool:
        return any(self._joined.did(member, index) is Did.CHANGED for member in self._joined.holders(index))

    def outcome(self, one: Operation) -> tuple[Type | Unsettled, int]:
        """What became of an operation of unknown outcome, with the index of its entry (0: none)."""
        marks = self._marks(one)
        if one.completion is None:
            return Unsettled.OPEN, 0
        if not marks:
            return Unsettled.UNMARKED, 0
        if one.invoke.f not in self._calibrated:
            return Unsettled.UNCALIBRATED, 0
        each = [set(self._joined.asking_named(mark)) for mark in marks]
        indexes = set().union(*each)
        if not indexes:
            return Unsettled.SEEN if self._seen.intersection(marks) else Type.FAIL, 0
        if any(found != indexes for found in each) or len(indexes) > 1:
            return Unsettled.SEVERAL, 0
        (index,) = indexes
        return self._of_entry(one, index), index

    def _of_entry(self, one: Operation, index: int) -> Type | Unsettled:
        joined = self._joined
        if index > joined.agreed:
            return Unsettled.PENDING
        holders = joined.holders(index)
        done = {joined.did(member, index) for member in holders} - {Did.PENDING}
        entries = [joined.entry(member, index) for member in holders]
        if len(done) != 1 or not all(entry is not None and entry.sure for entry in entries):
            return Unsettled.UNSURE
        if Did.CHANGED not in done:
            return Type.FAIL
        return Type.OK if _reads_nothing(one.invoke) else Unsettled.READS

    def answered_after(self, index: int) -> int:
        """The event of the first answer to an operation that stands behind the entry in the log; `_END` where none."""
        at = bisect_right(self._answered, index, key=lambda one: one[0])
        return self._answered[at][1] if at < len(self._answered) else _END

    @cached_property
    def _answered(self) -> list[tuple[int, int]]:
        """By index in the log, the first answer to an operation there or behind."""
        found: list[tuple[int, int]] = []
        first = _END
        for index, event in sorted(self._answers, reverse=True):
            first = min(first, event)
            found.append((index, first))
        return found[::-1]


def _reads_nothing(invoke: Event) -> bool:
    """Whether the answer to the operation holds nothing but what it asked for."""
    f = operations.plain(invoke.f)
    if f == "txn":
        return isinstance(invoke.value, list) and all(one[0] in {"w", "append"} for one in invoke.value)
    return f in _READS_NOTHING


def _rewritten(history: History, decided: dict[int, Type], places: dict[int, int]) -> History:
    """The history with the settled answers, each at its place: never before the client gave up waiting."""
    events = history.events()
    moved: defaultdict[int, list[Event]] = defaultdict(list)
    order: list[Event] = []
    for event in events:
        at = places.get(event.index, 0)
        if at > event.index:
            moved[at].append(event)
        else:
            order.append(event)
    placed: list[tuple[Event, Event]] = []
    for event in order:
        placed.append((event, event))
        placed += [(late, event) for late in moved.get(event.index, ())]
    placed += [(late, events[-1]) for late in moved.get(_END, ())]
    numbers = {event.index: number for number, (event, _) in enumerate(placed)}
    values = {event.index: event.value for event in events if event.type == Type.INVOKE}
    invoked = _invocations(history)
    return History.of([_answer(*pair, decided, numbers, values, invoked) for pair in placed])


def _answer(
    event: Event,
    beside: Event,
    decided: dict[int, Type],
    numbers: dict[int, int],
    values: dict[int, Any],
    invoked: dict[int, int],
) -> Event:
    number = numbers[event.index]
    began = invoked.get(event.index)
    link = None if began is None else numbers[began]
    outcome = decided.get(event.index)
    if outcome is None or began is None:
        return msgspec.structs.replace(event, index=number, index_of_invoke=link)
    return msgspec.structs.replace(
        event,
        index=number,
        time=max(event.time, beside.time),
        type=outcome.value,
        value=values[began],
        error=["settled", "the members' logs do not have it"] if outcome is Type.FAIL else None,
        index_of_invoke=link,
    )


def _invocations(history: History) -> dict[int, int]:
    """The index of the invocation of each completion, by the index of the completion."""
    return {
        one.completion.index: one.invoke.index
        for one in [*history.operations(), *history.nemesis()]
        if one.completion is not None
    }
