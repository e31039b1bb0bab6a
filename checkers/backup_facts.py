"""Which writes of a history a backup holds, and which it lacks, as far as what came back decides that.

An element of a set, or of a list, is there or not. Of a register the last write is there; what is known of the others
follows from it: one that came before it, by the service's own order or because it had been acknowledged before the last
was invoked, is there as well; one that came after it is lacking, for it would be the last else. Where a value was
written twice to a key, nothing is said of that key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from quorate.harness.core.backup import Held
from quorate.harness.history.event import Event, Operation, Type

Cell = tuple[str, str]
_SPACES: Final = {"write": "register", "cas": "register", "add": "set", "enqueue": "queue"}
_TRANSACTION: Final = "txn"
_PARTS: Final = 3


class Fact(msgspec.Struct, frozen=True):
    """The backup holds a write (`inside`), or lacks it; `key` and `value` are what was written."""

    operation: Operation
    inside: bool
    key: str
    value: Any


class Stranger(msgspec.Struct, frozen=True):
    """The backup holds a value that no client wrote, or only an operation (`refused`) that failed."""

    held: Held
    refused: Operation | None = None


class Write(msgspec.Struct, frozen=True):
    """What one operation asks to be stored in a cell; `listed`: at the end of a list, else in place of the old."""

    operation: Operation
    value: Any
    listed: bool = False


def writes(operations: Iterable[Operation]) -> dict[Cell, list[Write]]:
    """Return what was asked for by cell, in order of the invocations."""
    found: defaultdict[Cell, list[Write]] = defaultdict(list)
    for one in operations:
        for space, key, value, listed in _asked(one.invoke):
            found[space, str(key)].append(Write(one, value, listed))
    return found


def _asked(event: Event) -> Iterator[tuple[str, Any, Any, bool]]:
    prefix, _, f = event.f.rpartition("/")
    value = event.value
    if f == _TRANSACTION and isinstance(value, list):
        for one in value:
            if isinstance(one, list) and len(one) == _PARTS and one[0] in {"w", "append"}:
                # Side by side the service knows all keys with their workload, the history not those of transactions.
                yield _TRANSACTION, f"{prefix}/{one[1]}" if prefix else one[1], one[2], one[0] == "append"
    elif f == "cas" and isinstance(value, list):
        yield "register", event.key, value[-1], False
    elif f in _SPACES:
        yield _SPACES[f], event.key, value, False


def _plain(f: str) -> str:
    """The function without the name of its workload: workloads side by side carry it."""
    return f.rpartition("/")[2]


def facts(operations: Sequence[Operation], held: Sequence[Held]) -> list[Fact | Stranger]:
    """Return all that a backup decides, cell by cell; cells that no client of the history wrote are left out."""
    by_cell: defaultdict[Cell, list[Held]] = defaultdict(list)
    for one in held:
        by_cell[one.space, one.key].append(one)
    taken = _taken(operations)
    found: list[Fact | Stranger] = []
    for cell, written in writes(operations).items():
        space, key = cell
        if space in {"set", "queue"}:
            found += _elements(key, written, by_cell[cell], taken.get(key, frozenset()))
        elif any(one.listed for one in written):
            found += _elements(key, written, list(_items(by_cell[cell])), frozenset())
        else:
            found += _register(key, written, by_cell[cell])
    return found


def _taken(operations: Iterable[Operation]) -> dict[str, frozenset[str] | None]:
    """By queue, what was dequeued, encoded; None where some dequeue has no answer, so that anything may have been."""
    found: dict[str, frozenset[str] | None] = {}
    for one in operations:
        if _plain(one.invoke.f) != "dequeue" or one.outcome == Type.FAIL:
            continue
        key = str(one.invoke.key)
        before = found.get(key, frozenset())
        if one.completion is None or one.outcome == Type.INFO or before is None:
            found[key] = None
        else:
            found[key] = before | {_text(one.completion.value)}
    return found


def _items(held: Iterable[Held]) -> Iterator[Held]:
    """A list's elements as if each were held by itself."""
    for one in held:
        for value in one.value if isinstance(one.value, list) else [one.value]:
            yield msgspec.structs.replace(one, value=value)


def _elements(
    key: str, written: Sequence[Write], held: Sequence[Held], gone: frozenset[str] | None
) -> Iterator[Fact | Stranger]:
    """Facts of elements that stay; `gone` are those of a queue that left it (None: unknown which)."""
    by_value = _by_value(written)
    there = {_text(one.value): one for one in held}
    for text, one in there.items():
        yield from _holder(key, one, by_value.get(text, []))
    for text, some in by_value.items():
        absent = text not in there and gone is not None and text not in gone
        if absent and len(some) == 1 and some[0].operation.outcome == Type.OK:
            yield Fact(some[0].operation, inside=False, key=key, value=some[0].value)


def _holder(key: str, held: Held, some: Sequence[Write]) -> Iterator[Fact | Stranger]:
    """The fact that a value is there: whose it is, if that is one operation."""
    possible = [one for one in some if one.operation.outcome != Type.FAIL]
    if not possible:
        yield Stranger(held, some[0].operation if some else None)
    elif len(possible) == 1:
        yield Fact(possible[0].operation, inside=True, key=key, value=held.value)


def _register(key: str, written: Sequence[Write], held: Sequence[Held]) -> Iterator[Fact | Stranger]:
    by_value = _by_value(written)
    if _text(None) in by_value:  # deletions leave nothing that distinguishes one from another
        return
    acknowledged = [one for one in written if one.operation.outcome == Type.OK]
    if not held:
        for one in acknowledged:
            yield Fact(one.operation, inside=False, key=key, value=one.value)
        return
    last = held[0]
    yield from _holder(key, last, by_value.get(_text(last.value), []))
    whose = [one for one in by_value.get(_text(last.value), []) if one.operation.outcome != Type.FAIL]
    if len(whose) != 1:
        return
    for one in acknowledged:
        inside = _before(one.operation, whose[0].operation, last.version)
        if one is not whose[0] and inside is not None:
            yield Fact(one.operation, inside=inside, key=key, value=one.value)


def _before(one: Operation, last: Operation, version: int) -> bool | None:
    """Whether an acknowledged write came before the one that is there; None where nothing decides it."""
    assert one.completion is not None
    if one.completion.version is not None and one.completion.version != version:
        return one.completion.version < version
    if one is last:  # a transaction that wrote the key twice
        return None
    if last.completion is not None and last.outcome == Type.OK and last.completion.time < one.invoke.time:
        return False
    return True if one.completion.time < last.invoke.time else None


def _by_value(written: Iterable[Write]) -> dict[str, list[Write]]:
    found: defaultdict[str, list[Write]] = defaultdict(list)
    for one in written:
        found[_text(one.value)].append(one)
    return found


def _text(value: Any) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()
