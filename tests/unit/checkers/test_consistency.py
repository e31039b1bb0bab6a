"""Weaker models of registers: against brute force, the lattice, stores of each level, planted violations."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from quorate.checkers import check
from quorate.checkers.consistency import IMPLIES, LEVELS, Consistency, below
from quorate.checkers.sequential_verify import replay_sequential
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event, History

LIMITS = Limits(time_s=20)


class Op(NamedTuple):
    """One operation: `read` or `write` of a value of a key by a session."""

    session: int
    f: str
    key: str
    value: int | None


def history_of(ops: Sequence[Op]) -> History:
    """The operations one after another."""
    events: list[Event] = []
    for op in ops:
        at = len(events)
        asked = op.value if op.f == "write" else None
        events.append(Event(at, at, op.session, "invoke", op.f, op.key, asked))
        events.append(Event(at + 1, at + 1, op.session, "ok", op.f, op.key, op.value))
    return History.of(events)


def levels_of(ops: Sequence[Op]) -> dict[str, bool]:
    """What the engine says of each level."""
    result = Consistency("sequential").check(history_of(ops), LIMITS)
    assert result.verdict is not Verdict.UNKNOWN, result.reason
    failed = set(result.stats["not"])
    return {level: level not in failed for level in LEVELS}


def sessions_of(ops: Sequence[Op]) -> dict[int, list[Op]]:
    """Operations of each session, in its order."""
    found: dict[int, list[Op]] = defaultdict(list)
    for op in ops:
        found[op.session].append(op)
    return found


def fits(order: Sequence[Op]) -> bool:
    """Whether each read gives the last write before it."""
    holds: dict[str, int | None] = {}
    for op in order:
        if op.f == "write":
            holds[op.key] = op.value
        elif holds.get(op.key) != op.value:
            return False
    return True


def orders(ops: Sequence[Op], before: set[tuple[Op, Op]]) -> Iterator[list[Op]]:
    """All orders of these operations that keep the pairs."""
    if not ops:
        yield []
    for op in ops:
        if not any((other, op) in before for other in ops if other is not op):
            for rest in orders([other for other in ops if other is not op], before):
                yield [op, *rest]


def closed(pairs: set[tuple[Op, Op]], ops: Sequence[Op]) -> set[tuple[Op, Op]]:
    """The transitive closure."""
    closure = set(pairs)
    for through, one, other in itertools.product(ops, ops, ops):
        if (one, through) in closure and (through, other) in closure:
            closure.add((one, other))
    return closure


class Oracle:
    """Every level by trying all orders."""

    def __init__(self, ops: Sequence[Op]) -> None:
        self.ops = list(ops)
        self.sessions = sessions_of(ops)
        self.writes = [op for op in ops if op.f == "write"]
        self.program = {pair for own in self.sessions.values() for pair in itertools.combinations(own, 2)}
        self.source = {
            op: next((w for w in self.writes if (w.key, w.value) == (op.key, op.value)), None)
            for op in ops
            if op.f == "read"
        }

    def level(self, name: str) -> bool:
        """Whether the level holds."""
        match name:
            case "sequential":
                return any(fits(order) for order in orders(self.ops, self.program))
            case "pram":
                return self.each_session(self.program)
            case "causal":
                read_from = {(write, read) for read, write in self.source.items() if write}
                happened = closed(self.program | read_from, self.ops)
                return all((op, op) not in happened for op in self.ops) and self.each_session(happened)
        return all(self.view(session, name) for session in self.sessions)

    def each_session(self, before: set[tuple[Op, Op]]) -> bool:
        """Whether all writes and one session's reads have an order, whichever session."""
        return all(
            any(
                fits(order)
                for order in orders([op for op in self.ops if op.f == "write" or op.session == p], before)
            )
            for p in self.sessions
        )

    def view(self, session: int, name: str) -> bool:
        """A session guarantee of one session, as docs/consistency.md defines it."""
        if name == "monotonic-writes" and not self.answered(session, set(), self.nothing):
            return True
        same_key = {(a, b) for a, b in self.program if a.f == b.f == "write" and a.key == b.key}
        if name == "writes-follow-reads":
            if not self.answered(session, same_key, self.nothing):
                return True
            follow = {
                (self.source[a], b)
                for a, b in self.program
                if a.f == "read" and b.f == "write" and self.source[a]
            }
            return self.answered(session, same_key | follow, lambda w: {a for a, b in follow if b == w})
        if name == "monotonic-writes":
            all_writes = {(a, b) for a, b in self.program if a.f == b.f == "write"}
            return self.answered(session, all_writes, lambda w: {a for a, b in all_writes if b == w})
        return self.answered(session, same_key, self.nothing, own=name == "read-your-writes")

    @staticmethod
    def nothing(_: Op) -> set[Op]:
        """No write must be visible with another."""
        return set()

    def answered(self, session: int, before: set[tuple[Op, Op]], beside, *, own: bool = False) -> bool:
        """Whether some order of the writes answers every read of the session from what must be visible."""
        mine = self.sessions[session]
        for first, second in itertools.combinations(mine, 2):
            if first.f == "read" and second.f == "write" and first.key == second.key and self.source[first]:
                before = before | {(self.source[first], second)}
        for order in orders(self.writes, before):
            rank = {op: place for place, op in enumerate(order)}
            if self.explains(mine, rank, beside, own=own):
                return True
        return False

    def explains(self, mine: Sequence[Op], rank: dict[Op, int], beside, *, own: bool) -> bool:
        seen: set[Op] = set()
        for place, op in enumerate(mine):
            if op.f == "write":
                continue
            if own:
                seen = {write for write in mine[:place] if write.f == "write"}
            source = self.source[op]
            open_ = [source] if source else []
            while open_:
                write = open_.pop()
                if write not in seen:
                    seen.add(write)
                    open_ += [other for other in beside(write) if other]
            visible = [write for write in seen if write.key == op.key]
            if (max(visible, key=rank.__getitem__) if visible else None) != source:
                return False
        return True


def random_ops(rng: random.Random) -> list[Op]:
    """Up to three sessions, at most four writes, reads of anything that was ever written."""
    keys = "xy"[: rng.randint(1, 2)]
    shape = [
        (rng.randrange(rng.randint(1, 3)), rng.choice(["read", "write"])) for _ in range(rng.randint(2, 7))
    ]
    ops, number, written = [], 0, defaultdict(list)
    for session, f in shape:
        key = rng.choice(keys)
        if f == "write" and number < 4:
            number += 1
            written[key].append((number, session, len(ops)))
            ops.append(Op(session, "write", key, number))
        else:
            ops.append(Op(session, "read", key, None))
    found = []
    for at, op in enumerate(ops):
        if op.f == "read":
            # A session never reads what only its own future writes.
            values = [n for n, session, when in written[op.key] if session != op.session or when < at]
            op = op._replace(value=rng.choice([None, *values]))  # noqa: PLW2901
        found.append(op)
    return found


def distinct(ops: Sequence[Op]) -> bool:
    """Whether no session reads one value twice, which the oracle's pairs could not distinguish."""
    return len(set(ops)) == len(ops)


@pytest.mark.parametrize("seed", range(12))
def test_levels_agree_with_all_orders_and_with_each_other(seed: int) -> None:
    """1,200 small histories: each level against brute force, and what is stronger implies what is weaker."""
    rng = random.Random(seed)
    checked = 0
    while checked < 100:
        ops = random_ops(rng)
        if not ops or not distinct(ops):
            continue
        checked += 1
        found = levels_of(ops)
        oracle = Oracle(ops)
        assert found == {level: oracle.level(level) for level in LEVELS}, ops
        for stronger in IMPLIES:
            if found.get(stronger):
                assert all(found[weaker] for weaker in below(stronger)), (stronger, ops)


def r(session: int, value: int | None, key: str = "x") -> Op:
    """A read."""
    return Op(session, "read", key, value)


def w(session: int, value: int, key: str = "x") -> Op:
    """A write."""
    return Op(session, "write", key, value)


PLANTED: list[tuple[str, list[Op], set[str]]] = [
    ("a stale read", [w(0, 1), r(1, None)], set()),
    ("a read went back", [w(0, 1), w(0, 2), r(1, 2), r(1, 1)], {"monotonic-reads", "monotonic-writes"}),
    ("a read went back to nothing", [w(0, 1), r(1, 1), r(1, None)], {"monotonic-reads"}),
    ("an own write is not seen", [w(0, 1), r(0, None)], {"read-your-writes"}),
    ("an own older write is seen", [w(0, 1), w(0, 2), r(0, 1)], {"read-your-writes"}),
    (
        "the second write without the first",
        [w(0, 1), w(0, 2, "y"), r(1, 2, "y"), r(1, None)],
        {"monotonic-writes"},
    ),
    ("an answer before its question", [w(0, 1), r(1, 1), w(1, 2), r(2, 2), r(2, 1)], {"writes-follow-reads"}),
    (
        "two sessions in opposite orders",
        [w(0, 1), w(1, 2), r(2, 1), r(2, 2), r(3, 2), r(3, 1)],
        {"sequential"},
    ),
    ("Dekker", [w(0, 1), r(0, None, "y"), w(1, 2, "y"), r(1, None)], {"sequential"}),
]
ABOVE = {
    "monotonic-reads": {"pram", "causal", "sequential"},
    "monotonic-writes": {"pram", "causal", "sequential"},
    "read-your-writes": {"pram", "causal", "sequential"},
    "writes-follow-reads": {"causal", "sequential"},
    "sequential": set(),
}


@pytest.mark.parametrize(("what", "ops", "weakest"), PLANTED, ids=[one[0] for one in PLANTED])
def test_a_planted_violation_is_found_at_exactly_the_levels_that_forbid_it(
    what: str, ops: list[Op], weakest: set[str]
) -> None:
    """With a name, a sentence, and evidence that is the history itself where that is minimal already."""
    forbidding = weakest.union(*(ABOVE[level] for level in weakest))
    for level in LEVELS:
        result = check(history_of(ops), "register", expect=level, limits=LIMITS)
        assert (result.verdict is Verdict.INVALID) == (level in forbidding), (what, level, result.reason)
        if result.verdict is Verdict.INVALID:
            anomaly = result.anomalies[0]
            assert anomaly.sentence
            assert anomaly.culprit in anomaly.events
            assert len(anomaly.events) <= 2 * len(ops)
            assert "what still holds" in result.reason


def lagging(
    rng: random.Random, length: int, *, sticky: bool, sessions: int = 5, keys: str = "abc"
) -> list[Op]:
    """A primary that orders all writes, and replicas that lag behind it. Sticky sessions are sequential."""
    log: list[tuple[str, int]] = []
    place = [0] * sessions
    ops = []
    for number in range(length):
        session, key = rng.randrange(sessions), rng.choice(keys)
        if rng.random() < 0.4:
            log.append((key, number + 1))
            place[session] = len(log)
            ops.append(w(session, number + 1, key))
        else:
            low = place[session] if sticky else 0
            place[session] = rng.randint(max(low, len(log) - 20), len(log))
            seen = next((value for k, value in reversed(log[: place[session]]) if k == key), None)
            ops.append(r(session, seen, key))
    return ops


def gossip(rng: random.Random, length: int, *, causal: bool, sessions: int = 4, keys: str = "ab") -> list[Op]:
    """Each session has a replica; writes travel in the order of their sender (PRAM), or after their causes."""
    seen = [[0] * sessions for _ in range(sessions)]
    sent: list[list[tuple[str, int, list[int]]]] = [[] for _ in range(sessions)]
    holds: list[dict[str, int]] = [{} for _ in range(sessions)]
    ops = []
    for number in range(length):
        me = rng.randrange(sessions)
        for other in rng.sample(range(sessions), sessions):
            while other != me and seen[me][other] < len(sent[other]) and rng.random() < 0.6:
                key, value, causes = sent[other][seen[me][other]]
                if causal and any(seen[me][s] < causes[s] for s in range(sessions) if s != other):
                    break
                holds[me][key] = value
                seen[me][other] += 1
        key = rng.choice(keys)
        if rng.random() < 0.4:
            sent[me].append((key, number + 1, list(seen[me])))
            seen[me][me] += 1
            holds[me][key] = number + 1
            ops.append(w(me, number + 1, key))
        else:
            ops.append(r(me, holds[me].get(key), key))
    return ops


@pytest.mark.parametrize("seed", range(8))
def test_a_store_is_never_called_worse_than_it_is(seed: int) -> None:
    """Histories by construction: sequential, causal, PRAM; each holds at its level and all below."""
    rng = random.Random(seed)
    for length in (20, 60, 300):
        made = {
            "sequential": lagging(rng, length, sticky=True),
            "causal": gossip(rng, length, causal=True),
            "pram": gossip(rng, length, causal=False),
        }
        for level, ops in made.items():
            history = history_of(ops)
            result, order = Consistency(level).judge(history, LIMITS)
            assert result.verdict is Verdict.VALID, (level, seed, length, result)
            assert not below(level) & set(result.stats["not"])
            if level == "sequential":
                assert replay_sequential(history, order) is None
                assert replay_sequential(history, order[::-1]) is not None


def test_weaker_stores_are_found_out() -> None:
    """The stores above do break what they do not promise, and the check sees it."""
    rng = random.Random(7)
    assert not levels_of(lagging(rng, 80, sticky=False))["monotonic-reads"]
    assert not all(levels_of(gossip(rng, 80, causal=True))["sequential"] for _ in range(5))
    assert not all(levels_of(gossip(rng, 200, causal=False))["causal"] for _ in range(5))


def test_values_written_twice_are_decided_by_a_sequential_order_or_not_at_all() -> None:
    """It is unknown which write a read saw: no guess, but a proof where there is one."""
    good = [w(0, 1), r(1, 1), w(0, 2), w(1, 1), r(0, 1)]
    assert check(history_of(good), "register", expect="monotonic-reads").verdict is Verdict.VALID
    bad = [w(0, 1), w(1, 1), r(2, 1), r(2, None)]
    result = check(history_of(bad), "register", expect="causal")
    assert result.verdict is Verdict.UNKNOWN
    assert "several writes" in result.reason
    assert check(history_of(bad), "register", expect="sequential").verdict is Verdict.INVALID


def test_what_nobody_wrote_no_level_allows() -> None:
    """A phantom value is invalid at the weakest level too."""
    result = check(history_of([w(0, 1), r(1, 9)]), "register", expect="read-your-writes")
    assert result.verdict is Verdict.INVALID
    assert result.anomalies[0].name == "phantom value"


@pytest.mark.parametrize(
    ("model", "expect", "said"),
    [
        ("register", "sequentail", 'did you mean "sequential"'),
        ("register", "nonsense", "known: linearizable"),
        ("lock", "causal", "causal is not decided for lock"),
    ],
)
def test_an_expectation_that_there_is_not_is_refused(model: str, expect: str, said: str) -> None:
    """With what there is."""
    f = "acquire" if model == "lock" else "write"
    events = [Event(0, 0, 0, "invoke", f, None, 1), Event(1, 1, 0, "ok", f, None, 1)]
    with pytest.raises(ValueError, match=said):
        check(events, model, expect=expect)


def test_aliases_mean_the_same() -> None:
    """Jepsen's and other spellings."""
    ops = history_of([w(0, 1), r(0, None)])
    for name in ("ryw", ":read-your-writes", "Read Your Writes", "read_my_writes"):
        assert check(ops, "register", expect=name).guarantee == "read-your-writes"


def test_versions_that_go_back_are_invalid_without_being_asked() -> None:
    """The service's own versions, asked for by name or for registers by default."""
    events = [
        Event(0, 0, 0, "invoke", "write", "k", 1),
        Event(1, 1, 0, "ok", "write", "k", 1, version=10),
        Event(2, 2, 1, "invoke", "read", "k", None),
        Event(3, 3, 1, "ok", "read", "k", 1, version=7),
    ]
    for expect in (None, "versions-never-regress"):
        result = check(events, "register", expect=expect)
        assert result.verdict is Verdict.INVALID
        assert result.guarantee == "versions-never-regress"
    assert check(events, "register", expect="linearizable").verdict is Verdict.VALID


def test_limits_end_a_search() -> None:
    """No time, no verdict, with the reason."""
    rng = random.Random(1)
    result = Consistency("sequential").check(history_of(lagging(rng, 3000, sticky=True)), Limits(time_s=0.0))
    assert result.verdict is Verdict.UNKNOWN
    assert "time limit" in result.reason


def interleaves(sessions: Sequence[Sequence[tuple]]) -> bool:
    """Whether any interleaving explains reads, writes and compare-and-sets; positions are entered once."""
    entered = set()

    def go(at: tuple[int, ...], holds: tuple) -> bool:
        if (at, holds) in entered:
            return False
        entered.add((at, holds))
        ends = True
        for number, (place, ops) in enumerate(zip(at, sessions, strict=True)):
            if place == len(ops):
                continue
            ends = False
            f, key, value = ops[place]
            state = dict(holds)
            saw = value[0] if f == "cas" else value
            if f != "write" and state.get(key) != saw:
                continue
            if f != "read":
                state[key] = value[1] if f == "cas" else value
            if go((*at[:number], place + 1, *at[number + 1 :]), tuple(sorted(state.items()))):
                return True
        return ends

    return go((0,) * len(sessions), ())


@pytest.mark.parametrize("unique", [True, False])
def test_sequential_agrees_with_all_interleavings(unique: bool) -> None:  # noqa: FBT001
    """400 histories with compare-and-set, half of them with values written twice; evidence is invalid by itself."""
    for seed in range(200):
        rng = random.Random(seed)
        events: list[Event] = []
        sessions: list[list[tuple]] = [[], [], []]
        values: dict[str, list[int | None]] = {"x": [None], "y": [None]}
        for number in range(1, rng.randint(4, 10)):
            session, key = rng.randrange(3), rng.choice("xy")
            new = number if unique else rng.randint(1, 2)
            f, value = "read", rng.choice(values[key][-3:])
            if rng.random() < 0.5 and value != new:
                f, value = rng.choice([("write", new), ("cas", (value, new))])
                values[key].append(new)
            sessions[session].append((f, key, value))
            told = list(value) if f == "cas" else value
            at = len(events)
            events.append(Event(at, at, session, "invoke", f, key, None if f == "read" else told))
            events.append(Event(at + 1, at + 1, session, "ok", f, key, told))
        history = History.of(events)
        result, order = Consistency("sequential", "cas-register").judge(history, LIMITS)
        assert (result.verdict is Verdict.VALID) == interleaves(sessions), sessions
        if result.verdict is Verdict.VALID:
            assert replay_sequential(history, order) is None
        else:
            part = [event for event in events if event.index in result.anomalies[0].events]
            again = Consistency("sequential", "cas-register").check(History.of(part), LIMITS)
            assert again.verdict is Verdict.INVALID
