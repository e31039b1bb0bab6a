"""Reads that a member answered from an older state than another client had been answered from, or for, already."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.harness.core.memberlog import LogEntry
from quorate.harness.history.event import Event, Operation
from quorate.harness.memberlogs import operations
from quorate.harness.memberlogs.joined import Joined


def answers_from_before(joined: Joined, found: Sequence[Operation]) -> list[str]:
    """Say of each such read between which entries of the member's log the state stood that it came from.

    The version that a read shows is the entry that made it: the state ends before the next entry that changes the key.
    A read that shows nothing comes from before the first, where the key was never removed.
    """
    said = []
    for one in found:
        end, node = one.completion, operations.node(one)
        if end is None or node is None or operations.written(one.invoke):
            continue
        made = _made(joined, one)
        late = joined.next_change(node, made, end.key) if made is not None else _first(joined, one, found)
        told = None if late is None else _told(joined, found, late, one.invoke)
        if late is None or told is None:
            continue
        who, entry = told
        behind = "" if made is None else f"behind entry {joined.says(made.index)} and "
        said.append(
            f"{node} answered p{one.invoke.process} from its state {behind}before entry {joined.says(late.index)}, the "
            f"{'first' if made is None else 'next'} to change {end.key}; p{who.process} had an answer from entry "
            f"{joined.says(entry.index)} at {who.time / 1e9:.3f} s"
        )
    return said


def _first(joined: Joined, one: Operation, found: Sequence[Operation]) -> LogEntry | None:
    """The first entry to change the key of a read that showed nothing, as the others' answers name its capability."""
    end, node = one.completion, operations.node(one)
    if end is None or end.type != "ok" or end.value is not None or end.version is not None:
        return None
    log = joined.logs.get(str(node))
    known = [made for other in found if (made := _made(joined, other)) is not None]
    spaces = {change.space for made in known for change in made.changes if change.key == str(end.key)}
    if log is None or not log.complete or not log.explained or len(spaces) != 1:
        return None
    return joined.first_change(log.member, end.key, spaces.pop())


def _made(joined: Joined, one: Operation) -> LogEntry | None:
    """The entry that made the version in an answer, by the log of the member that answered, where that is proved."""
    end, node = one.completion, operations.node(one)
    if end is None or end.type != "ok" or end.version is None or node not in joined.logs:
        return None
    log = joined.logs[str(node)]
    return None if log.explained is False else joined.making(log.member, end.version)


def _told(
    joined: Joined, found: Sequence[Operation], late: LogEntry, before: Event
) -> tuple[Event, LogEntry] | None:
    """The first answer before an event that has the key as the entry left it, or as a later one did."""
    answers = []
    for one in found:
        end, made = one.completion, _made(joined, one)
        if end is None or made is None or end.key != before.key:
            continue
        if end.index < before.index and made.index >= late.index:
            answers.append((end, made))
    return min(answers, key=lambda answer: answer[0].index, default=None)
