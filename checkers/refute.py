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

from quorate.checkers.models import MODELS
from quorate.checkers.second_objects import Op, Operations, TooLargeError, after, members, plain, text
from quorate.harness.history.event import Event

# States tried before the certificate is called too large to be replayed.
_VISITS_MAX: Final = 300_000


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
    history = Operations(events, model, certificate.get("key"), per_key=per_key)
    if str(certificate.get("kind", "")).startswith("sum-"):
        return _sums(history, certificate, initial or 0)
    kept = history.kept(certificate["operations"])
    if kept is None:
        return "it names an event that is not an operation on this key, or a completion that is not its own"
    since, elements = certificate.get("since"), certificate.get("elements")
    moment = -1 if since is None else history.rank_of(since)
    if moment is None:
        return f"event {since} is not in the history"
    scope = None if elements is None else {text(one) for one in elements}
    if since is not None and not _can_cut(model, history, scope):
        return "only the past of a register, or of one element, can be cut off"
    starts = _starts(history, kept, initial, moment, scope)
    wrong = _left_out(history, kept, moment, scope)
    if wrong is None and any(_order(history.model, kept, start, scope) for start in starts):
        return "there is an order of these operations"
    return wrong


def _can_cut(model: str, history: Operations, scope: set[str] | None) -> bool:
    if model == "set":
        return scope is not None and len(scope) == 1
    return model in {"register", "kv"} and not any(op.f == "append" for op in history.ops.values())


def _left(op: Op) -> str:
    """The value that an operation on a register leaves."""
    return str(op.asked[1] if op.f == "cas" else op.asked)


def _seen(op: Op) -> str:
    return str(op.asked[0] if op.f == "cas" else op.told)


def _left_out(history: Operations, kept: Sequence[Op], moment: int, scope: set[str] | None) -> str | None:
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


def _of_queue(gone: Sequence[Op], kept: Sequence[Op], history: Operations, last: float) -> Iterator[Op]:
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
            saw = op.asked in members(look, None) if look.f == "read" else look.told == "true"
            about = look.f == "read" or (look.f == "contains" and look.asked == op.asked)
            if about and saw == (op.f == "add"):
                yield op


def _of_lock(gone: Sequence[Op], here: set[int], history: Operations) -> Iterator[Op]:
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
    history: Operations, kept: Sequence[Op], initial: Any, moment: int, scope: set[str] | None
) -> Sequence[Hashable]:
    """The states that the object can have had at the moment."""
    earlier = [op for op in history.ops.values() if op.call < moment and not op.looks]
    match history.model:
        case "register" | "kv":
            values = {text(initial), *map(_left, earlier)}
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
        case "queue" | "unordered-queue":
            return [()]
        case recorded:
            return [MODELS[recorded].initial]


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
            for following in after(model, state, op, scope):
                place = (done | {at}, following)
                if place not in seen:
                    seen.add(place)
                    todo.append(place)
        if len(seen) > _VISITS_MAX:
            raise TooLargeError
    return False


def _sums(history: Operations, certificate: Mapping[str, Any], initial: int) -> str | None:
    """A counter that only grows: the sum that the read cannot have."""
    read = history.by_index(certificate["read"])
    adds = [op for op in history.ops.values() if op.f == "add"]
    if read is None or read.f != "read" or any(plain(op.asked) < 0 for op in adds):
        return "it is not about a read of a counter that only grows"
    value = plain(read.told)
    match certificate["kind"]:
        case "sum-low":
            return _too_low(history, certificate, read, initial)
        case "sum-high":
            most = initial + sum(plain(op.asked) for op in adds if op.call < read.ret)
            return None if value > most else "the read is not too high"
        case "sum-step":
            step = math.gcd(*(plain(op.asked) for op in adds))
            fits = value == initial if step == 0 else (value - initial) % step == 0
            return "the read is a sum of steps" if fits else None
    return f"there is no certificate of the kind {certificate['kind']!r}"


def _too_low(history: Operations, certificate: Mapping[str, Any], read: Op, initial: int) -> str | None:
    """Lower than an earlier read, or the beginning, with what surely lies between."""
    least, begin = initial, -1.0
    if certificate["after"] is not None:
        earlier = history.by_index(certificate["after"])
        if earlier is None or earlier.f != "read" or not earlier.ret < read.call:
            return f"event {certificate['after']} is not a read that returned before"
        least, begin = plain(earlier.told), earlier.ret
    for index in set(certificate["between"]):
        op = history.by_index(index)
        if op is None or op.f != "add" or not begin < op.call <= op.ret < read.call:
            return f"event {index} is not an addition that surely lies between"
        least += plain(op.asked)
    return None if plain(read.told) < least else "the read is not too low"
