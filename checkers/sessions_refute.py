"""Confirm from its definition that a history breaks a consistency model weaker than linearizability.

The second judge of `checkers.consistency`, independent of the engine on purpose: it reads the events again, tries every
order where the model speaks of orders, and spells out the visible writes where it speaks of sessions
(docs/consistency.md has the definitions). What a part of the history proves, it proves of the whole: a read is used
only where every write of the value that it saw is in the part, a value of a queue, a hold of a lock and the additions
to a counter are in it whole or not at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

from quorate.checkers.second_objects import Op, Operations, TooLargeError, after, members, plain, text
from quorate.checkers.session_views import Entry, Views, goes_back, violated, written
from quorate.checkers.sessions_record import Certificate
from quorate.checkers.totals_refute import refute_sum
from quorate.harness.history.event import Event

JUDGE: Final = "definitions"
SESSION_KINDS: Final = frozenset({"sessions", "impossible", "session-sum"})
# Positions tried before a certificate is called too large to be replayed.
_VISITS_MAX: Final = 200_000
_OF_ORDERS: Final = ("sequential", "pram", "causal")
_REGISTERS: Final = ("register", "kv", "set")

Before = Mapping[int, set[int]]


def refute_sessions(
    events: Sequence[Event], model: str, certificate: Certificate, initial: Any = None
) -> str | None:
    """Return why the certificate does not prove the level broken, or None where it does.

    Raises `TooLargeError` where trying every order would take too long.
    """
    model = "register" if model == "cas-register" else model
    history = Operations(events, model, None, per_key=False)
    if certificate.kind == "impossible":
        return _impossible(history, certificate, initial)
    if certificate.kind == "session-sum":
        return refute_sum(history, certificate, initial or 0)
    kept = history.kept(certificate.operations)
    if kept is None:
        return "it names an event that is not an operation, or a completion that is not its own"
    elements = certificate.elements
    scope = None if elements is None else {text(one) for one in elements}
    appends = any(op.f == "append" for op in history.ops.values())
    if model in _REGISTERS and not appends:
        return _of_registers(history, kept, certificate, initial, scope)
    wrong = _split(history, kept)
    if wrong is not None:
        return wrong
    reader = _reader(history, certificate)
    seen = kept if reader is None else [op for op in kept if not op.looks or op.process == reader]
    found = _order(model, seen, {}, initial, None)
    return "there is an order of these operations" if found else None


def _reader(history: Operations, certificate: Certificate) -> int | str | None:
    session = certificate.session
    op = None if session is None else history.by_index(session)
    return None if op is None else op.process


# ---- registers and sets ----


def _of_registers(
    history: Operations,
    kept: Sequence[Op],
    certificate: Certificate,
    initial: Any,
    scope: set[str] | None,
) -> str | None:
    start = _start(history.model, initial)
    views = Views(history, kept, start, scope)
    level, reader = certificate.level, _reader(history, certificate)
    if level not in _OF_ORDERS:
        if reader is None:
            return "it names no session"
        alone = certificate.alone
        whole = Views(history, list(history.ops.values()), start, None)
        if not alone and goes_back(whole, level, reader):
            return "the session's reads go back by themselves"
        return violated(views, level, reader, alone=alone)
    used = [op for op in map(views.plain, kept) if op is not None]
    before = _causes(views, kept) if level == "causal" else {}
    if any(at in causes for at, causes in before.items()):
        return None
    parts = [used]
    if level != "sequential":
        sessions = {op.process for op in used if not op.open} if reader is None else {reader}
        parts = [[one for op in used if (one := _hidden(op, own)) is not None] for own in sessions]
    found = all(_order(history.model, part, before, initial, scope) for part in parts)
    return "there is an order of these operations" if found else None


def _hidden(op: Op, reader: int | str) -> Op | None:
    """What another session's operation is to this one: its write, without what it saw."""
    if op.process == reader and not op.open:
        return op
    if op.looks:
        return None
    return written(op) if op.f == "cas" else op


def _causes(views: Views, kept: Sequence[Op]) -> dict[int, set[int]]:
    """What happened before each operation: earlier in its session, read by it, and what happened before these."""
    before: dict[int, set[int]] = {op.at: set() for op in kept}
    for own in views.sessions.values():
        for one, other in pairwise(own):
            before[other.at].add(one.at)
    for op in kept:
        for entry in views.reads(op):
            source = views.source(op, entry)
            if isinstance(source, Op):
                before[op.at].add(source.at)
    grown = True
    while grown:
        grown = False
        for causes in before.values():
            more = set().union(causes, *(before[cause] for cause in causes))
            if len(more) > len(causes):
                causes.update(more)
                grown = True
    return before


def _impossible(history: Operations, certificate: Certificate, initial: Any) -> str | None:
    """A read of a value that no write can have left: none has it but those that its own session made later."""
    read = history.by_index(certificate.call)
    if read is None or (read.open and read.f != "cas"):
        return "it names no read"
    views = Views(history, list(history.ops.values()), _start(history.model, initial), None)
    element = None if certificate.element is msgspec.UNSET else text(certificate.element)
    if element is not None and read.f == "read" and members(read, {element}).count(element) > 1:
        return None
    wanted: list[Entry] = [
        entry for entry in views.all_reads(read) if element is None or entry[0] == (read.key, element)
    ]
    for slot, value in wanted:
        writers = [op for op in history.ops.values() if views.write(op) == (slot, value)]
        later = [op for op in writers if not op.open and op.process == read.process and op.at >= read.at]
        if value != views.initial and len(writers) == len(later):
            return None
    return "somebody can have written what it read"


# ---- what is left out of other objects ----


def _split(history: Operations, kept: Sequence[Op]) -> str | None:
    """Why what was left out could matter, if so."""
    here = {op.at for op in kept}
    keys = {op.key for op in kept}
    gone = [op for op in history.ops.values() if op.key in keys and op.at not in here and not op.looks]
    values = {(op.key, _value_of(op)) for op in kept if op.f in ("enqueue", "dequeue")}
    holders = {(op.key, op.process) for op in kept}
    for op in gone:
        match op.f:
            case "enqueue" | "dequeue":
                whole = not (op.f == "dequeue" and op.open) and (op.key, _value_of(op)) not in values
            case "acquire" | "release":
                whole = (op.key, op.process) not in holders or _whole_hold(history, op, here)
            case _:
                whole = False
        if not whole:
            return f"event {op.at} is left out, and could matter"
    return None


def _value_of(op: Op) -> Any:
    return op.asked if op.f == "enqueue" else None if op.open else op.told


def _whole_hold(history: Operations, op: Op, here: set[int]) -> bool:
    """Whether the operation is half of a hold of which both halves are left out."""
    own = [
        one
        for one in history.ops.values()
        if one.process == op.process and one.key == op.key and not one.open
    ]
    own.sort(key=lambda one: one.at)
    for one, other in pairwise(own):
        if one.f == "acquire" and other.f == "release" and op.at in (one.at, other.at):
            return one.at not in here and other.at not in here
    return False


# ---- every order ----


def _order(model: str, ops: Sequence[Op], before: Before, initial: Any, scope: set[str] | None) -> bool:
    """Whether some order of the operations that keeps each session's own, and `before`, is correct."""
    sessions: dict[Any, list[Op]] = defaultdict(list)
    for op in sorted(ops, key=lambda op: op.at):
        sessions[("open", op.at) if op.open else ("known", op.process)].append(op)
    lines = list(sessions.values())
    wanted = [len(line) if not line[0].open else 0 for line in lines]
    keys = sorted({op.key for op in ops})
    present = {op.at for op in ops}
    start: tuple[Hashable, ...] = tuple(_start(model, initial) for _ in keys)
    first = (tuple(0 for _ in lines), start)
    seen, todo = {first}, [first]
    while todo:
        places, states = todo.pop()
        if all(place >= want for place, want in zip(places, wanted, strict=True)):
            return True
        done = {op.at for line, place in zip(lines, places, strict=True) for op in line[:place]}
        for at, (line, place) in enumerate(zip(lines, places, strict=True)):
            if place == len(line) or not (before.get(line[place].at, set()) & present) <= done:
                continue
            slot = keys.index(line[place].key)
            for state in after(model, states[slot], line[place], scope):
                following = (
                    (*places[:at], place + 1, *places[at + 1 :]),
                    (*states[:slot], state, *states[slot + 1 :]),
                )
                if following not in seen:
                    seen.add(following)
                    todo.append(following)
        if len(seen) > _VISITS_MAX:
            raise TooLargeError
    return False


def _start(model: str, initial: Any) -> Any:
    match model:
        case "set":
            return frozenset()
        case "queue" | "unordered-queue":
            return ()
        case "counter":
            return plain(text(initial)) or 0
        case "lock" | "fenced-lock":
            return (None, None)
        case _:
            return "null" if model == "kv" and initial == "" else text(initial)
