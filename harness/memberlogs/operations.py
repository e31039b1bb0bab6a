"""What an operation of the history leaves in a log: the keys and values by which its entry is found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from quorate.harness.history import History
from quorate.harness.history.columns import NONE
from quorate.harness.history.event import Event, Operation

_WRITES: Final = frozenset({"write", "add", "enqueue", "append"})
# What shows values that others wrote; the answer of a grant or a watch is not one of them.
_READS: Final = frozenset({"read", "dequeue"})
_TRANSACTION: Final = "txn"
_COMPARED: Final = 2

Mark = tuple[Any, Any]


def plain(f: str) -> str:
    """The function without the name of its workload: workloads side by side carry it."""
    return f.rpartition("/")[2]


def written(event: Event) -> list[Mark]:
    """The (key, value) pairs that an invocation asks the service to store; of appends, the last of each key."""
    f, value = plain(event.f), event.value
    if f in _WRITES and value is not None:
        return [(event.key, value)]
    if f == "cas" and isinstance(value, list) and len(value) == _COMPARED:
        return [(event.key, value[1])]
    if f == _TRANSACTION:
        return list({key: (key, new) for kind, key, new in _micro(value) if kind in {"w", "append"}}.values())
    return []


def seen(operation: Operation) -> list[Mark]:
    """The (key, value) pairs that the service returned to the client: what it read, found in a compare, or took."""
    event = operation.completion
    if event is None or event.type == "info":
        return []
    f, value = plain(event.f), event.value
    if f == _TRANSACTION:
        if event.type != "ok":
            return []
        reads = [(key, found) for kind, key, found in _micro(value) if kind == "r" and found is not None]
        return [(key, one) for key, found in reads for one in (found if isinstance(found, list) else [found])]
    if f == "cas":
        # One that succeeded has found what it compared with; one that was refused may say what it found.
        return (
            [(event.key, value[0])]
            if event.type == "ok" and isinstance(value, list)
            else [(event.key, value)]
        )
    if f not in _READS or value is None:
        return []
    return [(event.key, one) for one in (value if isinstance(value, list) else [value])]


def node(operation: Operation) -> str | None:
    """The member that answered the operation, or was asked for it."""
    end = operation.completion
    return (end.node if end is not None else None) or operation.invoke.node


def _micro(value: Any) -> list[Sequence[Any]]:
    """The micro-operations of a transaction; empty for what is none."""
    if not isinstance(value, list):
        return []
    parts = 3
    return [one for one in value if isinstance(one, list) and len(one) == parts]


def of_events(history: History, indexes: Sequence[int]) -> list[Operation]:
    """The operations whose invocations are among these indexes of events, in order."""
    found = []
    for index in sorted(set(indexes)):
        try:
            position = history.position(index)
        except KeyError:
            continue
        event = history.event(position)
        if event.type != "invoke":
            continue
        pair = int(history.columns.pair[position])
        found.append(Operation(event, None if pair == int(NONE) else history.event(pair)))
    return found
