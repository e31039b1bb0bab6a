"""Session guarantees by their definition: which writes are visible at each read, and whether they have an order.

After Terry et al., "Session guarantees for weakly consistent replicated data" (PDIS 1994), as docs/consistency.md
states them. A read gives the last visible write of what it reads, in an order that is its session's own. Every visible
write that a read did not see comes before the one that it saw; an order exists where this has no circle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from quorate.checkers.second_objects import Op, Operations, TooLargeError, members

# What is read or written: a key, or an element of the set of that key; and the value.
Slot = tuple[str, str | None]
Entry = tuple[Slot, str]
Node = Op | Slot

# Entries of one session's reads beyond which the definitions are not spelled out.
_ENTRIES_MAX: Final = 100_000
_IN: Final = "in"
_OUT: Final = "out"


class Views:
    """Part of a history of registers or sets: what each operation read and wrote, and whose write was read."""

    def __init__(self, history: Operations, kept: Sequence[Op], initial: str, scope: set[str] | None) -> None:
        self.model = history.model
        self.initial = _OUT if history.model == "set" else initial
        self.scope = scope
        self.kept = sorted(kept, key=lambda op: op.at)
        self.writers: dict[Entry, list[Op]] = defaultdict(list)
        for op in history.ops.values():
            write = self.write(op)
            if write is not None:
                self.writers[write].append(op)
        self._here = {op.at for op in kept}
        self.sessions: dict[Any, list[Op]] = defaultdict(list)
        for op in self.kept:
            self.sessions[("open", op.at) if op.open else ("known", op.process)].append(op)

    def write(self, op: Op) -> Entry | None:
        """What the operation wrote."""
        match op.f:
            case "write":
                return (op.key, None), op.asked
            case "cas":
                return (op.key, None), op.asked[1]
            case "add" | "remove":
                return (op.key, op.asked), _IN if op.f == "add" else _OUT
            case _:
                return None

    def all_reads(self, op: Op) -> list[Entry]:
        """What the operation read."""
        if op.open and op.f != "cas":
            return []
        match op.f:
            case "read" if self.model == "set":
                seen = set(members(op, self.scope))
                named = seen if self.scope is None else self.scope
                return [((op.key, one), _IN if one in seen else _OUT) for one in sorted(named)]
            case "read":
                return [((op.key, None), op.told)]
            case "cas":
                return [((op.key, None), op.asked[0])]
            case "contains":
                return [((op.key, op.asked), _IN if op.told == "true" else _OUT)]
            case _:
                return []

    def reads(self, op: Op) -> list[Entry]:
        """What it read as far as every write of that is in the part; what an unknown operation saw proves nothing."""
        if op.open and not self.certain(op):
            return []
        return [one for one in self.all_reads(op) if all(w.at in self._here for w in self.writers[one])]

    def certain(self, op: Op) -> bool:
        """Whether an operation of unknown outcome took effect: it alone wrote what an answered one saw."""
        write = self.write(op)
        if write is None or write[1] == self.initial or len(self.writers[write]) > 1:
            return False
        return any(write in self.all_reads(one) for one in self.kept if not one.open)

    def plain(self, op: Op) -> Op | None:
        """The operation without what cannot be used of it; None where nothing is left."""
        if op.open or self.reads(op) == self.all_reads(op):
            return op
        if op.looks:
            return None
        return written(op)

    def source(self, op: Op, entry: Entry) -> Node | None:
        """Whose write it read: an operation, the initial value (as the slot), or None where that is not known."""
        own = self.writers[entry]
        possible = [w for w in own if w.open or w.process != op.process or w.at < op.at]
        if entry[1] == self.initial:
            return None if possible else entry[0]
        return possible[0] if len(possible) == 1 else None

    def sources(self, op: Op) -> Iterator[tuple[Slot, Node]]:
        """All that it read of which the source is known."""
        for entry in self.reads(op):
            source = self.source(op, entry)
            if source is not None:
                yield entry[0], source


def written(op: Op) -> Op:
    """A compare-and-set without what it saw."""
    return Op(op.at, op.call, op.ret, op.process, "write", op.asked[1], op.told, op.key)


def violated(views: Views, level: str, reader: int | str, *, alone: bool) -> str | None:
    """Return None where this session breaks the guarantee, else why not.

    With `alone` one read of several things shows by itself which writes were there and which were not.
    """
    own = views.sessions.get(("known", reader), [])
    parts = [[op] for op in own if len(views.reads(op)) > 1] if alone else [own]
    if any(_cyclic(_edges(views, level, part)) for part in parts):
        return None
    return "there is an order that explains what the session saw"


def goes_back(views: Views, level: str, reader: int | str) -> bool:
    """Whether a session, all of whose reads are here, may break what must hold before its order of writes is judged."""
    first = {"monotonic-writes": "free", "writes-follow-reads": "monotonic-reads"}.get(level)
    if first is None:
        return False
    own = views.sessions.get(("known", reader), [])
    known = all(views.source(op, entry) is not None for op in own for entry in views.all_reads(op))
    return not known or _cyclic(_edges(views, first, own))


def _edges(views: Views, level: str, part: Sequence[Op]) -> dict[Node, set[Node]]:
    """What comes before what in the session's order of writes."""
    edges: dict[Node, set[Node]] = defaultdict(set)
    for op in views.kept:
        write = views.write(op)
        if write is not None:
            edges[write[0]].add(op)
    for own in views.sessions.values():
        _made(views, level, own, edges)
    _shown(views, level, part, edges)
    return edges


def _made(views: Views, level: str, own: Sequence[Op], edges: dict[Node, set[Node]]) -> None:
    """In which order a session's writes are for everybody."""
    last: dict[Slot | None, Op] = {}
    had_read: set[Node] = set()
    for op in own:
        write = views.write(op)
        if level == "writes-follow-reads":
            had_read.update(source for _, source in views.sources(op))
        if write is None:
            continue
        slot = None if level == "monotonic-writes" else write[0]
        if level != "free" and slot in last:
            edges[last[slot]].add(op)
        last[slot] = op
        for source in had_read - {op}:
            edges[source].add(op)


def _shown(views: Views, level: str, part: Sequence[Op], edges: dict[Node, set[Node]]) -> None:
    """What a session's reads say: what was visible and not seen comes before what was seen."""
    own_only = level == "read-your-writes"
    visible: dict[Slot, set[Op]] = defaultdict(set)
    had_read: dict[Slot, set[Node]] = defaultdict(set)
    entries = 0
    for op in part:
        sources = list(views.sources(op))
        entries += len(sources)
        if entries > _ENTRIES_MAX:
            raise TooLargeError
        for seen in [] if own_only else [one for _, one in sources if isinstance(one, Op)]:
            for wrote, beside in _with(views, level, seen):
                visible[wrote].add(beside)
        for slot, source in sources:
            had_read[slot].add(source)
            for other in visible[slot] - {source}:
                edges[other].add(source)
        write = views.write(op)
        if write is not None:
            # A session's own writes stand on top of what it had read of that key.
            for source in had_read[write[0]] - {op}:
                edges[source].add(op)
            if own_only:
                visible[write[0]].add(op)


def _with(views: Views, level: str, write: Op) -> list[tuple[Slot, Op]]:
    """The writes that are visible where this one is, with what they write."""
    found: dict[int, tuple[Slot, Op]] = {}
    todo = [write]
    while todo:
        op = todo.pop()
        wrote = views.write(op)
        if op.at in found or wrote is None:
            continue
        found[op.at] = (wrote[0], op)
        own = views.sessions[("open", op.at) if op.open else ("known", op.process)]
        earlier = [one for one in own if one.at <= op.at]
        if level == "monotonic-writes":
            todo += earlier
        elif level == "writes-follow-reads":
            todo += [s for one in earlier for _, s in views.sources(one) if isinstance(s, Op)]
    return list(found.values())


def _cyclic(edges: dict[Node, set[Node]]) -> bool:
    """Whether there is a circle: whether something is left when all without anything before it was taken away."""
    waits: dict[Node, int] = defaultdict(int)
    for later in edges.values():
        for node in later:
            waits[node] += 1
    free = [node for node in edges if not waits[node]]
    gone = 0
    while free:
        gone += 1
        for node in edges.get(free.pop(), ()):
            waits[node] -= 1
            if not waits[node]:
                free.append(node)
    return gone < len(edges.keys() | waits.keys())
