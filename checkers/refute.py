"""Replay the certificate of an invalid answer: these operations contradict each other, and prove the whole wrong.

Independent of the engines on purpose, as `checkers.verify` is for valid answers: it reads events, shares no code with
what found the contradiction, and tries every order. Two things are checked. The operations kept must be the history's,
and the others left out soundly: a correct order of the whole would give one of the part (the rules stand with their
arguments in checkers/native/linear/src/certify/left_out.rs; here they are written a second time). And no order of the
operations kept may exist, from any state that the object can have had.

A certificate is {"kind", "key", "since", "elements"?} and, by kind:
- `no-order`: "operations", pairs of event indexes: invocation, and completion or null where only the request counts.
  With "since", nothing that returned before that invocation is looked at, whatever it left behind.
- `sum-low`, `sum-high`, `sum-step` (counters that only grow): "read", and for the first "after" (an earlier read or
  null for the beginning) and "between" (additions that surely lie between the two).
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

from quorate.checkers.verify import ends_of, ranks_of
from quorate.harness.history.event import NEMESIS, Event

_FAMILIES: Final = {"kv": "register", "fenced-lock": "lock"}
_LOOKS: Final = {"read", "contains"}
# States tried before the certificate is called too large to be replayed.
_VISITS_MAX: Final = 300_000


class Op(msgspec.Struct, frozen=True):
    """One operation: `call` and `ret` are ranks in time, `ret` infinite where the outcome is unknown or not used."""

    at: int
    call: int
    ret: float
    process: int | str
    f: str
    asked: Any
    told: Any

    @property
    def open(self) -> bool:
        """Whether the outcome is unknown."""
        return self.ret == math.inf

    @property
    def looks(self) -> bool:
        """Whether it changes nothing."""
        return self.f in _LOOKS or (self.f == "dequeue" and not self.open and self.told == "null")


class TooLargeError(Exception):
    """The certificate cannot be replayed within what this verifier allows itself."""


def refute(
    events: Sequence[Event],
    model: str,
    certificate: Mapping[str, Any],
    *,
    initial: Any = None,
    per_key: bool = True,
) -> str | None:
    """Return why the certificate does not prove the history wrong, or None where it does.

    Raises `TooLargeError` where nothing is wrong with it but trying every order would take too long.
    """
    model = "register" if model == "cas-register" else model
    history = _History(events, model, certificate.get("key"), per_key=per_key)
    if str(certificate.get("kind", "")).startswith("sum-"):
        return _sums(history, certificate, initial or 0)
    kept = history.kept(certificate["operations"])
    if kept is None:
        return "it names an event that is not an operation on this key, or a completion that is not its own"
    since, elements = certificate.get("since"), certificate.get("elements")
    moment = -1 if since is None else history.rank_of(since)
    if moment is None:
        return f"event {since} is not in the history"
    scope = None if elements is None else {_text(one) for one in elements}
    if since is not None and not _can_cut(model, history, scope):
        return "only the past of a register, or of one element, can be cut off"
    starts = _starts(history, kept, initial, moment, scope)
    wrong = _left_out(history, kept, moment, scope)
    if wrong is None and any(_order(history.model, kept, start, scope) for start in starts):
        return "there is an order of these operations"
    return wrong


class _History:
    """The operations on one key."""

    def __init__(self, events: Sequence[Event], model: str, key: Any, *, per_key: bool) -> None:
        self.model = model
        self._rank = ranks_of(events)
        self._position = {event.index: at for at, event in enumerate(events)}
        self._ends = ends_of(events)
        self._events = events
        self.ops: dict[int, Op] = {}
        for at, event in enumerate(events):
            if event.type == "invoke" and event.process != NEMESIS and (not per_key or event.key == key):
                op = self._read(at, self._ends.get(at))
                if op is not None:
                    self.ops[at] = op

    def _read(self, at: int, end: int | None) -> Op | None:
        call = self._events[at]
        done = None if end is None else self._events[end]
        f = {"get": "read", "put": "write", "increment": "add"}.get(call.f, call.f)
        asked = [*map(self._value, call.value)] if f == "cas" else self._value(call.value)
        if done is not None and done.type == "fail":
            if f != "cas" or done.value is None or done.value == call.value:
                return None
            f = "read"
        if f == "delete":
            f, asked = "write", "null"
        told = None if done is None else self._value(done.value)
        ret = math.inf if end is None else self._rank[end]
        if f == "cas" and asked[0] == asked[1]:
            f, told = "read", asked[0]
        op = Op(at, self._rank[at], ret, call.process, f, asked, told)
        return None if op.open and op.looks else op

    def _value(self, value: Any) -> str:
        return "null" if self.model == "kv" and value == "" else _text(value)

    def rank_of(self, index: int) -> int | None:
        """When the event with this index happened."""
        at = self._position.get(index)
        return None if at is None else self._rank[at]

    def kept(self, operations: Sequence[Sequence[int | None]]) -> list[Op] | None:
        """The operations of a certificate; None where an index does not belong there."""
        found: dict[int, Op] = {}
        for call, end in operations:
            at = self._position.get(call if call is not None else -1, -1)
            if at not in self.ops or at in found:
                return None
            op = self.ops[at]
            if end is None:
                op = msgspec.structs.replace(op, ret=math.inf, told=None)
            elif self._ends.get(at) != self._position.get(end):
                return None
            found[at] = op
        return list(found.values())

    def by_index(self, index: int) -> Op | None:
        """The operation whose invocation has this index."""
        return self.ops.get(self._position.get(index, -1))


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _can_cut(model: str, history: _History, scope: set[str] | None) -> bool:
    if model == "set":
        return scope is not None and len(scope) == 1
    return model in {"register", "kv"} and not any(op.f == "append" for op in history.ops.values())


def _left(op: Op) -> str:
    """The value that an operation on a register leaves."""
    return str(op.asked[1] if op.f == "cas" else op.asked)


def _seen(op: Op) -> str:
    return str(op.asked[0] if op.f == "cas" else op.told)


def _left_out(history: _History, kept: Sequence[Op], moment: int, scope: set[str] | None) -> str | None:
    """Why the operations that are not kept could matter, if so."""
    here = {op.at for op in kept}
    last = max((op.ret for op in kept if not op.open), default=-1)
    early = [op for op in kept if op.call < moment and not op.open]
    if early:
        return f"event {early[0].at} was called before the moment, and its answer is used"
    # What changes nothing, what was called when all that is kept had returned, what returned before the moment.
    gone = [
        op
        for op in history.ops.values()
        if op.at not in here and not op.looks and op.call < last and op.ret >= moment
    ]
    rules: dict[str, Callable[[], Iterator[Op]]] = {
        "register": lambda: _of_register(gone, kept),
        "kv": lambda: _of_register(gone, kept),
        "queue": lambda: _of_queue(gone, kept, history, last),
        "unordered-queue": lambda: _of_queue(gone, kept, history, last),
        "set": lambda: _of_set(gone, kept, scope),
        "lock": lambda: _of_lock(gone, here, history),
        "fenced-lock": lambda: _of_lock(gone, here, history),
    }
    appends = any(op.f == "append" and op.call < last for op in history.ops.values())
    wrong = next(iter(gone) if appends or history.model not in rules else rules[history.model](), None)
    return None if wrong is None else f"event {wrong.at} is left out, and could matter"


def _of_register(gone: Sequence[Op], kept: Sequence[Op]) -> Iterator[Op]:
    observers = Counter(_seen(op) for op in kept if op.f != "write")
    for op in gone:
        wanted = observers[_left(op)]
        alike = [one for one in kept if one.open and one.f == op.f and one.asked == op.asked]
        if wanted and sum(one.call <= op.call for one in alike) < wanted:
            yield op


def _of_queue(gone: Sequence[Op], kept: Sequence[Op], history: _History, last: float) -> Iterator[Op]:
    """What was called after `last` is cut off before the others are looked at."""
    here = {op.at for op in kept}
    sources: dict[str, list[bool]] = defaultdict(list)
    for op in history.ops.values():
        if op.f == "enqueue" and (op.call < last or op.at in here):
            sources[op.asked].append(op.at in here)
    unique = all(len(one) == 1 for one in sources.values())
    whole = [history.ops[op.at] for op in kept]
    own = [op.at for op in whole if unique and op.f == "dequeue" and not op.open and not op.looks]
    served = {history.ops[at].told for at in own}
    taken = [op.told for op in kept if op.f == "dequeue" and not op.open and not op.looks]
    takers = [op.call for op in kept if op.f == "dequeue" and op.open and op.at not in own]
    free = sum(op.f == "enqueue" and op.asked not in served for op in kept)
    free -= 0 if unique else len(taken)
    for op in gone:
        if op.f == "enqueue":
            fits = op.asked != "null" and op.asked not in taken
        else:
            # Its value is left out with it; else another dequeue of unknown outcome can stand for it.
            fits = not op.open and sources.get(op.told, [False]) == [False]
            fits = fits or sum(call <= op.call for call in takers) >= free
        if not fits:
            yield op


def _of_set(gone: Sequence[Op], kept: Sequence[Op], scope: set[str] | None) -> Iterator[Op]:
    for op in gone:
        if scope is not None and op.asked not in scope:
            continue
        for look in kept:
            saw = op.asked in _members(look, None) if look.f == "read" else look.told == "true"
            about = look.f == "read" or (look.f == "contains" and look.asked == op.asked)
            if about and saw == (op.f == "add"):
                yield op


def _of_lock(gone: Sequence[Op], here: set[int], history: _History) -> Iterator[Op]:
    """All of one process can go, and whole holds: an acquire with all that its process did up to its next one."""
    missing = {op.at for op in gone}
    own: dict[int | str, list[Op]] = defaultdict(list)
    for op in sorted(history.ops.values(), key=lambda op: op.call):
        own[op.process].append(op)
    for ops in own.values():
        if not any(op.at in here for op in ops):
            continue
        starts = [at for at, op in enumerate(ops) if op.f == "acquire" or at == 0]
        for start, end in zip(starts, [*starts[1:], len(ops)], strict=True):
            hold = ops[start:end]
            lost = [op for op in hold if op.at in missing]
            before = ops[start - 1] if start else None
            sure = not hold[0].open or before is None or (before.f == "release" and not before.open)
            apart = all(a.open or a.ret <= b.call for a, b in pairwise(hold))
            # A known release before any acquire: the whole has no correct order, so nothing is lost.
            begins = hold[0].f == "acquire" or not any(op.open for op in hold)
            whole = begins and not any(op.at in here for op in hold)
            if lost and not (whole and apart and (sure or len(hold) == 1)):
                yield lost[0]


def _starts(
    history: _History, kept: Sequence[Op], initial: Any, moment: int, scope: set[str] | None
) -> Sequence[Hashable]:
    """The states that the object can have had at the moment."""
    earlier = [op for op in history.ops.values() if op.call < moment and not op.looks]
    match history.model:
        case "register" | "kv":
            values = {_text(initial), *map(_left, earlier)}
            watched = {_seen(op) for op in kept if op.f != "write"}
            return sorted(values & watched) + sorted(values - watched)[:1]
        case "set":
            added = {op.asked for op in earlier if op.f == "add"}
            return [
                frozenset(),
                *(frozenset({one}) for one in sorted((scope or set()) & added) if moment >= 0),
            ]
        case "counter":
            return [initial or 0]
        case "lock" | "fenced-lock":
            return [(None, None)]
        case _:
            return [()]


def _order(model: str, ops: Sequence[Op], start: Hashable, scope: set[str] | None) -> bool:
    """Whether some order of the operations is correct: every one is tried (Wing and Gong, with a memory)."""
    wanted = frozenset(at for at, op in enumerate(ops) if not op.open)
    seen: set[tuple[frozenset[int], Hashable]] = set()
    todo: list[tuple[frozenset[int], Hashable]] = [(frozenset(), start)]
    while todo:
        done, state = todo.pop()
        if wanted <= done:
            return True
        bound = min(ops[at].ret for at in wanted - done)
        for at, op in enumerate(ops):
            if at in done or op.call > bound:
                continue
            for after in _after(model, state, op, scope):
                place = (done | {at}, after)
                if place not in seen:
                    seen.add(place)
                    todo.append(place)
        if len(seen) > _VISITS_MAX:
            raise TooLargeError
    return False


def _after(model: str, state: Any, op: Op, scope: set[str] | None) -> list[Any]:  # noqa: C901, PLR0911, PLR0912 - a table
    """The states that the operation can lead to; none where it cannot happen."""
    match _FAMILIES.get(model, model), op.f:
        case "register", "read":
            return [state] * (op.told == state)
        case "register", "write":
            return [op.asked]
        case "register", "cas":
            return [op.asked[1]] * (op.asked[0] == state)
        case "register", "append":
            joined = (_plain(state) or "") + _plain(op.asked)
            return ["null" if joined == "" else _text(joined)]
        case "set", "add":
            return [state | {op.asked}]
        case "set", "remove":
            return [state - {op.asked}]
        case "set", "contains":
            return [state] * ((op.asked in state) == (op.told == "true"))
        case "set", "read":
            members = _members(op, scope)
            return [state] * (len(members) == len(state) and set(members) == state)
        case "queue" | "unordered-queue", "enqueue":
            joined = (*state, op.asked)
            return [joined if model == "queue" else tuple(sorted(joined))]
        case "queue" | "unordered-queue", "dequeue":
            if op.told == "null" and not op.open:
                return [state] * (not state)
            places = range(len(state[:1] if model == "queue" else state))
            fits = [at for at in places if op.open or state[at] == op.told]
            return [state[:at] + state[at + 1 :] for at in fits[: None if op.open else 1]]
        case "counter", "add":
            return [state + _plain(op.asked)]
        case "counter", "read":
            return [state] * (_plain(op.told) == state)
        case "lock", "acquire":
            token = None if op.open or model != "fenced-lock" else _plain(op.told)
            holder, highest = state
            grows = token is None or highest is None or token > highest
            return [(op.process, highest if token is None else token)] * (holder is None and grows)
        case "lock", "release":
            return [(None, state[1])] * (state[0] == op.process)
        case _:
            return []


def _plain(text: str) -> Any:
    return msgspec.json.decode(text)


def _members(op: Op, scope: set[str] | None) -> list[str]:
    return [one for one in map(_text, _plain(op.told) or ()) if scope is None or one in scope]


def _sums(history: _History, certificate: Mapping[str, Any], initial: int) -> str | None:
    """A counter that only grows: the sum that the read cannot have."""
    read = history.by_index(certificate["read"])
    adds = [op for op in history.ops.values() if op.f == "add"]
    if read is None or read.f != "read" or any(_plain(op.asked) < 0 for op in adds):
        return "it is not about a read of a counter that only grows"
    value = _plain(read.told)
    match certificate["kind"]:
        case "sum-low":
            return _too_low(history, certificate, read, initial)
        case "sum-high":
            most = initial + sum(_plain(op.asked) for op in adds if op.call < read.ret)
            return None if value > most else "the read is not too high"
        case "sum-step":
            step = math.gcd(*(_plain(op.asked) for op in adds))
            fits = value == initial if step == 0 else (value - initial) % step == 0
            return "the read is a sum of steps" if fits else None
    return f"there is no certificate of the kind {certificate['kind']!r}"


def _too_low(history: _History, certificate: Mapping[str, Any], read: Op, initial: int) -> str | None:
    """Lower than an earlier read, or the beginning, with what surely lies between."""
    least, begin = initial, -1.0
    if certificate["after"] is not None:
        after = history.by_index(certificate["after"])
        if after is None or after.f != "read" or not after.ret < read.call:
            return f"event {certificate['after']} is not a read that returned before"
        least, begin = _plain(after.told), after.ret
    for index in set(certificate["between"]):
        op = history.by_index(index)
        if op is None or op.f != "add" or not begin < op.call <= op.ret < read.call:
            return f"event {index} is not an addition that surely lies between"
        least += _plain(op.asked)
    return None if _plain(read.told) < least else "the read is not too low"
