"""Adya's definitions, tried on every order of the versions: which models does a small history of transactions satisfy?

Obvious and slow, and shares nothing with the engine. A model holds if some total order of each key's committed versions
gives dependencies without the phenomena that the model forbids (Adya, "Weak consistency", 1999; Bailis et al. for read
atomic and monotonic atomic view; Cerone and Gotsman for snapshot isolation). Values must be unique.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise, permutations, product
from typing import Any, Final, NamedTuple

INITIAL: Final = None
# What each model forbids, beyond the phenomena of the models that it implies.
FORBIDS: Final[Mapping[str, tuple[str, ...]]] = {
    "read-uncommitted": ("G0", "impossible"),
    "read-committed": ("G1",),
    "cursor-stability": ("G-cursor",),
    "monotonic-atomic-view": ("OTV",),
    "read-atomic": ("fractured", "internal"),
    "consistent-view": ("G-single",),
    "repeatable-read": ("G2-item",),
    "parallel-snapshot-isolation": (),
    "snapshot-isolation": ("G-SI",),
    "serializable": (),
    "strong-session-read-uncommitted": ("G0-process",),
    "strong-session-read-committed": ("G1c-process",),
    "strong-session-snapshot-isolation": ("G-SI-process",),
    "strong-session-serializable": ("G2-process",),
    "strong-read-uncommitted": ("G0-realtime",),
    "strong-read-committed": ("G1c-realtime",),
    "strong-snapshot-isolation": ("G-SI-realtime",),
    "strict-serializable": ("G2-realtime",),
}
IMPLIES: Final[Mapping[str, tuple[str, ...]]] = {
    "read-uncommitted": (),
    "read-committed": ("read-uncommitted",),
    "cursor-stability": ("read-committed",),
    "monotonic-atomic-view": ("read-committed",),
    "read-atomic": ("monotonic-atomic-view",),
    "consistent-view": ("cursor-stability",),
    "repeatable-read": ("cursor-stability", "monotonic-atomic-view"),
    "parallel-snapshot-isolation": ("read-atomic", "consistent-view"),
    "snapshot-isolation": ("parallel-snapshot-isolation",),
    "serializable": ("repeatable-read", "snapshot-isolation"),
    "strong-session-read-uncommitted": ("read-uncommitted",),
    "strong-session-read-committed": ("strong-session-read-uncommitted", "read-committed"),
    "strong-session-snapshot-isolation": ("strong-session-read-committed", "snapshot-isolation"),
    "strong-session-serializable": ("strong-session-snapshot-isolation", "serializable"),
    "strong-read-uncommitted": ("strong-session-read-uncommitted",),
    "strong-read-committed": ("strong-session-read-committed", "strong-read-uncommitted"),
    "strong-snapshot-isolation": ("strong-session-snapshot-isolation", "strong-read-committed"),
    "strict-serializable": ("strong-session-serializable", "strong-snapshot-isolation"),
}


class Txn(NamedTuple):
    """A transaction: its operations with what they read, its process, and when it ran."""

    place: int
    ops: list[list[Any]]
    outcome: str
    process: int
    start: float
    end: float


class Read(NamedTuple):
    """A read: where it stands in its transaction, its key, and the write that it saw (transaction and place)."""

    at: int
    key: Any
    saw: tuple[int, int] | None


def transactions(events: list[dict[str, Any]]) -> list[Txn]:
    """All transactions; of those that are not ok, the reads are not known."""
    found = []
    for place, event in enumerate(events):
        if event["type"] != "invoke":
            continue
        later = range(place + 1, len(events))
        end = next((at for at in later if events[at]["process"] == event["process"]), None)
        kind = "info" if end is None else events[end]["type"]
        value = event["value"]
        if kind == "ok" and end is not None and events[end]["value"] is not None:
            value = events[end]["value"]
        over = float("inf")
        if kind == "ok" and end is not None:
            over = events[end]["time"]
        found.append(Txn(len(found), value, kind, event["process"], event["time"], over))
    return found


class History:
    """What is known without an order of versions."""

    def __init__(self, events: list[dict[str, Any]], model: str) -> None:
        self.model = model
        self.txns = transactions(events)
        self.writer: dict[tuple[Any, Any], tuple[int, int]] = {}
        self.phenomena: set[str] = set()
        for txn in self.txns:
            for at, (name, key, value) in enumerate(txn.ops):
                if name in ("append", "w"):
                    self.writer[key, value] = (txn.place, at)
        self.lists: dict[Any, list[list[Any]]] = {}
        self.reads: dict[int, list[Read]] = {txn.place: self._reads(txn) for txn in self.txns}
        seen = {read.saw[0] for reads in self.reads.values() for read in reads if read.saw} | self.shown
        self.committed = [
            txn for txn in self.txns if txn.outcome == "ok" or (txn.outcome == "info" and txn.place in seen)
        ]
        self.names = {txn.place for txn in self.committed}
        self._dirty()

    @property
    def shown(self) -> set[int]:
        """Transactions of which some list shows an element."""
        elements = ((key, value) for key, lists in self.lists.items() for one in lists for value in one)
        return {self.writer[pair][0] for pair in elements if pair in self.writer}

    def _reads(self, txn: Txn) -> list[Read]:
        if txn.outcome != "ok":
            return []
        found: list[Read] = []
        mine: dict[Any, Any] = {}
        for at, (name, key, value) in enumerate(txn.ops):
            if name == "append":
                # What was there before is not known until the first read.
                mine[key] = [*mine.get(key, ["?"]), value]
            elif name == "w":
                mine[key] = value
            else:
                seen = (value or []) if self.model == "append" else value
                if key in mine and not self._agrees(mine[key], seen):
                    self.phenomena.add("internal")
                mine[key] = list(seen) if self.model == "append" else seen
                saw = self._saw(txn, at, key, seen)
                if saw is not False:
                    found.append(Read(at, key, saw))
        return found

    def _agrees(self, mine: Any, seen: Any) -> bool:
        if self.model == "append" and mine[:1] == ["?"]:
            own = mine[1:]
            return bool(seen[len(seen) - len(own) :] == own)
        return bool(mine == seen)

    def _saw(self, txn: Txn, at: int, key: Any, seen: Any) -> Any:
        """The write of another that was seen, None for the beginning, False for nothing of others."""
        values = [seen] if self.model == "rw" else list(seen)
        if self.model == "rw" and seen is None:
            return INITIAL
        if self.model == "append":
            self.lists.setdefault(key, []).append(values)
        for value in values:
            if (key, value) not in self.writer:
                self.phenomena.add("impossible")
                return False
        for value in reversed(values):
            place, mop = self.writer[key, value]
            if place != txn.place:
                return (place, mop)
            if mop > at:
                self.phenomena.add("G1")
            if self.model == "rw":
                return False
        return INITIAL

    def _dirty(self) -> None:
        failed = {txn.place for txn in self.txns if txn.outcome == "fail"}
        for key, lists in self.lists.items():
            for one in lists:
                self._inside(key, one, failed)
            longest = max(lists, key=len)
            if any(one != longest[: len(one)] for one in lists):
                self.phenomena.add("G1")
        for reads in self.reads.values():
            for read in reads:
                if read.saw and (
                    read.saw[0] in failed or self._own(read.saw[0], read.key)[-1] != read.saw[1]
                ):
                    self.phenomena.add("G1")

    def _inside(self, key: Any, one: list[Any], failed: set[int]) -> None:
        """What no order of versions explains in a list that was read."""
        if len(set(one)) < len(one):
            self.phenomena.add("impossible")
        pairs = [self.writer[key, value] for value in one if (key, value) in self.writer]
        if any(place in failed for place, _ in pairs):
            self.phenomena.add("G1")
        for at, (place, mop) in enumerate(pairs):
            before = [mine for mine in self._own(place, key) if mine < mop]
            if place not in failed and any((place, mine) not in pairs[:at] for mine in before):
                self.phenomena.add("impossible")

    def _own(self, place: int, key: Any) -> list[int]:
        ops = self.txns[place].ops
        return [at for at, op in enumerate(ops) if op[0] in ("append", "w") and op[1] == key]

    def orders(self) -> Iterator[dict[Any, list[int]]]:
        """Every order of each key's versions, as the transactions that wrote them."""
        keys = sorted({op[1] for txn in self.committed for op in txn.ops}, key=repr)
        choices = [list(self._orders_of(key)) for key in keys]
        for some in product(*choices):
            yield dict(zip(keys, some, strict=True))

    def _orders_of(self, key: Any) -> Iterator[list[int]]:
        writers = [txn.place for txn in self.committed if self._own(txn.place, key)]
        shown: list[int] = []
        longest: list[Any] = []
        if self.model == "append":
            longest = max(self.lists.get(key, [[]]), key=len)
            for value in longest:
                place = self.writer.get((key, value), (-1, 0))[0]
                if place in writers:
                    shown.append(place)
        rest = [
            place
            for place in writers
            if any(self.txns[place].ops[at][2] not in longest for at in self._own(place, key))
        ]
        for some in permutations(rest):
            yield [*shown, *some]

    def found(self, order: dict[Any, list[int]]) -> set[str]:
        """All phenomena with these versions."""
        return self.phenomena | Graph(self, order).found()


class Graph:
    """Dependencies with one order of versions; a list in which appends of two take turns names both again and again."""

    def __init__(self, history: History, order: dict[Any, list[int]]) -> None:
        self.history = history
        self.order = order
        self.edges: dict[str, set[tuple[int, int]]] = {kind: set() for kind in ("ww", "wr", "rw", "p", "t")}
        for places in order.values():
            for one, other in pairwise(places):
                self._add("ww", one, other)
        for place in history.names:
            for read in history.reads[place]:
                self._read(place, read)
        for one, other in permutations(history.committed, 2):
            if one.process == other.process and one.place < other.place and one.outcome == "ok":
                self._add("p", one.place, other.place)
            if one.end < other.start:
                self._add("t", one.place, other.place)

    def _add(self, kind: str, one: int, other: int) -> None:
        if one != other and {one, other} <= self.history.names:
            self.edges[kind].add((one, other))

    def version(self, read: Read) -> int:
        """How many versions were there when it read."""
        places = self.order.get(read.key, [])
        if read.saw is None:
            return 0
        if self.history.model == "append":
            ops = self.history.txns[read.saw[0]].ops
            longest = max(self.history.lists.get(read.key, [[]]), key=len)
            value = ops[read.saw[1]][2]
            if value in longest:
                shown = [self.history.writer.get((read.key, one), (-1, 0))[0] for one in longest]
                upto = shown[: longest.index(value) + 1]
                return sum(one in self.history.names for one in upto)
        return len(places) - places[::-1].index(read.saw[0]) if read.saw[0] in places else 0

    def _read(self, place: int, read: Read) -> None:
        if read.saw is not None:
            self._add("wr", read.saw[0], place)
            if read.saw[0] not in self.history.names:
                return
        later = self.order.get(read.key, [])[self.version(read) :]
        if later and later[0] != place:
            self._add("rw", place, later[0])

    def cycle(self, *kinds: str) -> bool:
        pairs = set().union(*(self.edges[kind] for kind in kinds))
        return cyclic(pairs)

    def found(self) -> set[str]:
        found = set()
        for suffix, more in (("", ()), ("-process", ("p",)), ("-realtime", ("p", "t"))):
            if self.cycle("ww", *more):
                found.add(f"G0{suffix}")
            if self.cycle("ww", "wr", *more):
                found |= {f"G1c{suffix}"} | ({"G1"} if not more else set())
            if self.cycle("ww", "wr", "rw", *more):
                found.add(f"G2{suffix}" if more else "G2-item")
            if self.snapshots(*more):
                found.add(f"G-SI{suffix}")
        if self.single():
            found.add("G-single")
        return found | self.reads() | self.cursors()

    def snapshots(self, *more: str) -> bool:
        """A circle in which no two missed writes follow each other: of beginnings and commits, a plain one."""
        pairs: set[tuple[Any, Any]] = {((place, 0), (place, 1)) for place in self.history.names}
        for kind in ("ww", "wr", *more):
            pairs |= {((one, 1), (other, 0)) for one, other in self.edges[kind]}
        pairs |= {((one, 0), (other, 1)) for one, other in self.edges["rw"]}
        return cyclic(pairs)

    def single(self) -> bool:
        flow = self.edges["ww"] | self.edges["wr"]
        return cyclic(flow) or any(one in reached(flow, other) for one, other in self.edges["rw"])

    def reads(self) -> set[str]:
        """Who saw one write of a transaction and missed another."""
        found = set()
        for place in self.history.names:
            for saw, read in permutations(self.history.reads[place], 2):
                if saw.saw is None or saw.saw[0] not in self.history.names or saw.saw[0] == place:
                    continue
                places = self.order.get(read.key, [])
                if read.saw is not None and read.saw[0] not in self.history.names:
                    continue
                if saw.saw[0] in places[self.version(read) :]:
                    found |= {"fractured"} | ({"OTV"} if read.at > saw.at else set())
        return found

    def cursors(self) -> set[str]:
        """Who read a key, then wrote it, and others had written it in between."""
        for place in self.history.names:
            for read in self.history.reads[place]:
                mine = [at for at in self.history._own(place, read.key) if at > read.at]
                earlier = [at for at in self.history._own(place, read.key) if at < read.at]
                others = [
                    one for one in self.history.reads[place] if one.key == read.key and one.at < read.at
                ]
                if not mine or earlier or others or (read.saw and read.saw[0] not in self.history.names):
                    continue
                at = self.version(read)
                if self.order[read.key][at : at + 1] != [place]:
                    return {"G-cursor"}
        return set()


def reached(pairs: set[tuple[Any, Any]], start: Any) -> set[Any]:
    """Every node on a path from here, itself included."""
    seen, waiting = {start}, [start]
    while waiting:
        node = waiting.pop()
        for one, other in pairs:
            if one == node and other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


def cyclic(pairs: set[tuple[Any, Any]]) -> bool:
    """Whether the pairs lead in a circle."""
    left = set(pairs)
    while left:
        targets = {other for _, other in left}
        kept = {(one, other) for one, other in left if one in targets}
        if kept == left:
            return True
        left = kept
    return False


def holding(events: list[dict[str, Any]], model: str) -> set[str]:
    """The models that the history satisfies."""
    history = History(events, model)
    holds: set[str] = set()
    for order in history.orders():
        found = history.found(order)
        clean = {name for name in FORBIDS if not found & set(forbidden(name))}
        holds |= clean
    return holds


def forbidden(name: str) -> list[str]:
    """All phenomena that a model forbids."""
    return [*FORBIDS[name], *(one for weaker in IMPLIES[name] for one in forbidden(weaker))]
