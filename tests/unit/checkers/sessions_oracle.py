"""Consistency weaker than linearizability by trying everything: every order, every set of visible writes.

Objects are those of `tests.quality.oracle`. An operation of unknown outcome is its own session and may not have
happened.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from quorate.harness.history import Event, History
from tests.quality import oracle

LOOKS = ("read", "contains")


class Op(NamedTuple):
    """One operation; `known` is False where the outcome stayed unknown."""

    at: int
    session: int
    f: str
    key: str
    argument: Any
    result: Any
    known: bool = True

    def step(self) -> oracle.Operation:
        """The same for the oracle of linearizability."""
        end = 1.0 if self.known else oracle.INFINITY
        told = self.result if self.known else None
        return oracle.Operation(0.0, end, self.f, self.argument, told, self.session, 0)


def history_of(ops: Sequence[Op]) -> History:
    """The operations one after another; who does not learn an outcome is a new process afterwards."""
    events: list[Event] = []
    for op in ops:
        at = len(events)
        events.append(Event(at, at, op.session, "invoke", op.f, op.key, op.argument))
        asked = op.f in ("read", "contains", "dequeue", "acquire")
        answer = op.result if asked and op.known else op.argument
        events.append(Event(at + 1, at + 1, op.session, "ok" if op.known else "info", op.f, op.key, answer))
    return History.of(events)


def lines(ops: Sequence[Op]) -> list[list[Op]]:
    """The sessions: of each process what is known, and each unknown operation by itself."""
    found: dict[Any, list[Op]] = {}
    for op in ops:
        found.setdefault(op.session if op.known else ("alone", op.at), []).append(op)
    return list(found.values())


def ordered(model: str, ops: Sequence[Op], before: Mapping[int, set[int]] | None = None) -> bool:
    """Whether some order that keeps each session's own, and `before`, explains every known operation."""
    sessions = [line for line in lines(ops) if line[0].known or line[0].f not in LOOKS]
    keys = sorted({op.key for op in ops})
    present = {op.at for op in ops}
    seen = set()

    def explore(places: tuple[int, ...], states: tuple[Any, ...]) -> bool:
        if all(p == len(s) or not s[0].known for p, s in zip(places, sessions, strict=True)):
            return True
        if (places, states) in seen:
            return False
        seen.add((places, states))
        done = {op.at for p, s in zip(places, sessions, strict=True) for op in s[:p]}
        for number, line in enumerate(sessions):
            if places[number] == len(line):
                continue
            op = line[places[number]]
            if before and not (before.get(op.at, set()) & present) <= done:
                continue
            slot = keys.index(op.key)
            for state in oracle.after(model, states[slot], op.step()):
                moved = (*places[:number], places[number] + 1, *places[number + 1 :])
                if explore(moved, (*states[:slot], state, *states[slot + 1 :])):
                    return True
        return False

    return explore((0,) * len(sessions), (oracle.initial(model),) * len(keys))


def hidden(ops: Sequence[Op], session: int) -> list[Op]:
    """What one session sees: its own operations, and what the others changed."""
    return [op for op in ops if op.f not in LOOKS or op.session == session]


def pram(model: str, ops: Sequence[Op]) -> bool:
    """Whether each session has its own order."""
    return all(ordered(model, hidden(ops, session)) for session in {op.session for op in ops if op.known})


def slot_of(op: Op) -> tuple[str, Any]:
    """What an update changes: a key, or an element of a set."""
    return (op.key, op.argument) if op.f in ("add", "remove") else (op.key, None)


class Guarantee:
    """A session guarantee by trying every order of the updates and every set of them that a read can have seen."""

    def __init__(self, model: str, ops: Sequence[Op]) -> None:
        self.model = model
        self.ops = ops
        self.updates = [op for op in ops if op.f not in LOOKS]
        self.lines = lines(ops)

    def holds(self, name: str) -> bool:
        """Whether every session has it."""
        return all(self.session(line, name) for line in self.lines if line[0].known)

    def session(self, line: list[Op], name: str) -> bool:
        """Whether one session has it: the order of writes is judged where reads do not go back by themselves."""
        reads = [op for op in line if op.f in LOOKS]
        first = {"monotonic-writes": "free", "writes-follow-reads": "monotonic-reads"}.get(name)
        if first is None or self.explained(line, reads, first):
            return self.explained(line, reads, name)
        return all(self.explained(line, [read], name) for read in reads)

    def explained(self, line: list[Op], reads: list[Op], name: str) -> bool:
        """Whether an order of the updates explains these reads."""
        before = set(self.base(line, name))
        for order in itertools.permutations(self.updates):
            rank = {op: place for place, op in enumerate(order)}
            if all(rank[a] < rank[b] for a, b in before) and self.seen(line, reads, order, name):
                return True
        return False

    def base(self, line: list[Op], name: str) -> Iterator[tuple[Op, Op]]:
        """Updates whose order is given."""
        for own in self.lines:
            updates = [op for op in own if op.f not in LOOKS]
            for a, b in itertools.combinations(updates, 2):
                if name == "monotonic-writes" or (name != "free" and slot_of(a) == slot_of(b)):
                    yield a, b
            if name == "writes-follow-reads":
                for a, b in itertools.combinations(own, 2):
                    if b.f not in LOOKS:
                        yield from ((source, b) for source in self.sources(a))
        for a, b in itertools.combinations(line, 2):
            if b.f not in LOOKS:
                yield from ((s, b) for s in self.sources(a) if slot_of(s) == slot_of(b))

    def sources(self, read: Op) -> list[Op]:
        """The updates that a read certainly saw: those that alone can explain it."""
        if read.f not in LOOKS or self.model == "counter":
            return []
        if self.model != "set":
            if read.result is None:
                return []
            wrote = [
                [
                    op
                    for op in self.updates
                    if op.f == "write" and (op.key, op.argument) == (read.key, read.result)
                ]
            ]
        else:
            there = read.result if read.f == "read" else [read.argument] * read.result
            wrote = [
                [op for op in self.updates if op.f == "add" and slot_of(op) == (read.key, one)]
                for one in there
            ]
        earlier = [
            [op for op in some if op.session != read.session or op.at < read.at or not op.known]
            for some in wrote
        ]
        return [some[0] for some in earlier if len(some) == 1]

    def seen(self, line: list[Op], reads: list[Op], order: Sequence[Op], name: str) -> bool:
        """Whether sets of visible updates exist, one for each read."""
        grow = name != "read-your-writes"
        possible: list[frozenset[Op]] = [frozenset()]
        for read in reads:
            own = {op for op in line if op.f not in LOOKS and op.at < read.at}
            later = {op for op in line if op.f not in LOOKS and op.at > read.at}
            sets = [
                frozenset(some)
                for count in range(len(order) + 1)
                for some in itertools.combinations([op for op in order if op not in later], count)
            ]
            fits = [
                one
                for one in sets
                if (name != "read-your-writes" or own <= one)
                and self.closed(one, name)
                and self.answers(read, [op for op in order if op in one])
            ]
            possible = [one for one in fits if not grow or any(before <= one for before in possible)]
            if not possible:
                return False
        return True

    def closed(self, some: frozenset[Op], name: str) -> bool:
        """Whether what must be visible with these is."""
        for op in some:
            line = next(line for line in self.lines if op in line)
            for before in line[: line.index(op)]:
                if name == "monotonic-writes" and before.f not in LOOKS and before not in some:
                    return False
                if name == "writes-follow-reads" and not set(self.sources(before)) <= some:
                    return False
        return True

    def answers(self, read: Op, order: Sequence[Op]) -> bool:
        """Whether the read gives what these updates leave."""
        state = oracle.initial(self.model)
        for op in order:
            if op.key == read.key:
                state = oracle.after(self.model, state, op.step())[0]
        return bool(oracle.after(self.model, state, read.step()))


def causal(model: str, ops: Sequence[Op]) -> bool | None:
    """Whether causal consistency holds; None where what a read saw is not certain."""
    guarantee = Guarantee(model, ops)
    before: dict[int, set[int]] = {op.at: set() for op in ops}
    for line in guarantee.lines:
        for a, b in itertools.combinations(line, 2):
            before[b.at].add(a.at)
    for op in ops:
        before[op.at] |= {source.at for source in guarantee.sources(op)}
    for _ in ops:
        for causes in before.values():
            causes.update(*(before[one] for one in list(causes)))
    if any(at in causes for at, causes in before.items()):
        return False
    sessions = {op.session for op in ops if op.known}
    return all(ordered(model, hidden(ops, session), before) for session in sessions)


FUNCTIONS = {
    "register": ("read", "read", "write"),
    "kv": ("read", "read", "write", "delete"),
    "set": ("add", "add", "contains", "read", "read"),
    "queue": ("enqueue", "enqueue", "dequeue", "dequeue"),
    "unordered-queue": ("enqueue", "enqueue", "dequeue", "dequeue"),
    "counter": ("add", "add", "read", "read"),
    "lock": ("acquire", "release"),
    "fenced-lock": ("acquire", "release"),
    "cas-register": ("read", "write", "cas"),
    "text": ("read", "append", "append", "write"),
}


def random_ops(rng: random.Random, kind: str, size: int = 8) -> list[Op]:
    """A small history of up to three sessions and two keys whose answers are likely, and often wrong."""
    unique = rng.random() < 0.6
    keys = "xy"[: rng.choice([1, 1, 2])]
    unknown = rng.choice([0.0, 0.0, 0.2])
    sessions, fresh = list(range(rng.randint(1, 3))), 10
    removes = kind == "set" and rng.random() < 0.3
    functions = (*FUNCTIONS[kind], "remove") if removes else FUNCTIONS[kind]
    model = "kv" if kind == "text" else kind
    states: dict[str, list[Any]] = {key: [oracle.initial(model)] for key in keys}
    steps = rng.choice([[1], [1, 2], [2, 3]])
    ops: list[Op] = []
    updates = 0
    for at in range(rng.randint(2, size)):
        place = rng.randrange(len(sessions))
        session, key, f = sessions[place], rng.choice(keys), rng.choice(functions)
        if f not in LOOKS and updates >= 4 and kind in ("register", "kv", "set", "counter", "cas-register"):
            f = "read"
        past = states[key]
        state = past[-1] if rng.random() < 0.6 else rng.choice(past)
        argument, result = _asked(rng, kind, f, at, state, unique=unique, steps=steps), None
        if f == "read":
            result = sorted(state) if kind == "set" else state
            if rng.random() < 0.15:
                result = _asked(rng, kind, "read-result", at, state, unique=False, steps=steps)
        elif f == "contains":
            result = (argument in state) != (rng.random() < 0.15)
        elif f == "dequeue":
            result = rng.choice([None, state[0] if state else None, *past[-1][:2]])
        elif f == "acquire":
            result = rng.choice([at + 1, at + 1, 1, None]) if kind == "fenced-lock" else None
        known = f in LOOKS or rng.random() >= unknown
        op = Op(at, session, f, key, argument, result, known)
        follow = oracle.after(model, past[-1], op.step())
        if follow:
            past.append(follow[0])
        updates += f not in LOOKS
        ops.append(op)
        if not known:
            sessions[place] = fresh
            fresh += 1
    return ops


def _asked(
    rng: random.Random, kind: str, f: str, at: int, state: Any, *, unique: bool, steps: list[int]
) -> Any:
    value: Any = at + 1 if unique else rng.randint(1, 2)
    if f == "read-result":
        return {"set": rng.choice([[], [1], [1, 2]]), "counter": rng.randint(0, 4), "text": "ab"}.get(
            kind, value
        )
    if f in ("read", "dequeue", "acquire", "release", "delete"):
        return None
    if f == "cas":
        return [rng.choice([state, state, 1, None]), value]
    if f in ("contains", "remove"):
        return rng.choice([value, *state]) if state else value
    if kind in ("kv", "text"):
        return str(value) if unique else rng.choice("ab")
    return rng.choice(steps) if kind == "counter" else value


def made(rng: random.Random, kind: str, length: int, *, sessions: int = 5, skew: int = 30) -> list[Op]:
    """A history of a correct object, sequentially consistent by construction: the sessions' clocks differ by `skew`."""
    model = "kv" if kind == "text" else kind
    states = {key: oracle.initial(model) for key in "xy"}
    tokens = itertools.count(1)
    done: list[tuple[float, Op]] = []
    clocks = [rng.uniform(0, skew) for _ in range(sessions)]
    at = 0
    while len(done) < length:
        session, key = rng.randrange(sessions), rng.choice("xy")
        f, state = rng.choice(FUNCTIONS[kind]), states[key]
        argument, result = _asked(rng, kind, f, at, (), unique=kind != "counter", steps=[1]), None
        if f == "cas":
            argument = [state, at + 1]
        if f == "append":
            argument = rng.choice("abc") if len(state or "") < 30 else ""
        if f == "acquire" and kind == "fenced-lock":
            result = next(tokens)
        if f == "contains":
            argument = rng.choice([*state, -1])
            result = argument in state
        if f == "read":
            result = sorted(state) if kind == "set" else state
        if f == "dequeue":
            result = state[rng.randrange(len(state)) if kind == "unordered-queue" else 0] if state else None
        op = Op(at, session, f, key, argument, result)
        follow = oracle.after(model, state, op.step())
        if not follow:
            continue
        states[key] = follow[0]
        done.append((len(done) + clocks[session], op))
        at += 1
    done.sort(key=lambda one: one[0])
    return [op._replace(at=place) for place, (_, op) in enumerate(done)]
