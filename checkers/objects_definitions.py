"""Definitions of what breaks the models with their own rules, from the operations that show it.

The second judge of `checkers.objects` (`checkers.replies` asks it): it shares no code with the rules. A kind is the
model's name and the anomaly's, as in `bank: wrong total`, for models mean different things by one name.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, localcontext
from itertools import combinations
from typing import Any, Final

from quorate.checkers.replies_record import Case, Record, Reply
from quorate.harness.history import Event

# More steps than this are not tried to find an order; then nothing is confirmed.
_STEPS_MAX: Final = 20_000
_DIGITS: Final = 700


Balances = Mapping[str, float | None]


def _same(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _reads(case: Case) -> list[Reply]:
    return [reply for reply in case.replies if reply.ok and reply.call.f == "read"]


def _total(balances: Balances) -> Decimal:
    with localcontext() as context:
        context.prec = _DIGITS
        return sum((Decimal(str(one)) for one in balances.values() if one is not None), Decimal(0))


def _bank_reads(case: Case) -> list[Balances]:
    """The balances that the reads saw, of one bank, with what it is stated to have started with in front."""
    reads = _reads(case)
    if len({_same(reply.call.key) for reply in reads}) != 1:
        return []
    initial = case.initial
    stated = [] if initial is None else [initial if isinstance(initial, dict) else {"": initial}]
    return [*stated, *(reply.end.value for reply in reads)]


def _wrong_total(record: Record, case: Case) -> bool:
    """Two totals of one bank differ."""
    del record
    return len({_total(balances) for balances in _bank_reads(case)}) > 1


def _wrong_accounts(record: Record, case: Case) -> bool:
    """Two reads of one bank show different accounts."""
    del record
    seen = [frozenset(balances) for balances in _bank_reads(case)]
    return len(set(seen)) > 1 and (case.initial is None or isinstance(case.initial, dict))


def _negative(record: Record, case: Case) -> bool:
    del record
    balances = [one for reply in _reads(case) for one in reply.end.value.values()]
    return any(one is not None and one < 0 for one in balances)


def _none(record: Record, case: Case) -> bool:
    del record
    return any(None in reply.end.value.values() for reply in _reads(case))


def _fork(record: Record, case: Case) -> bool:
    """Of two reads each saw a write that the other missed."""
    del record
    saw = [
        {_same(key): value is not None for _, key, value in reply.end.value}
        for reply in case.replies
        if reply.ok
    ]
    for one, other in combinations(saw, 2):
        both = one.keys() & other.keys()
        mine, theirs = ({key for key in both if seen[key]} for seen in (one, other))
        if mine - theirs and theirs - mine:
            return True
    return False


def _fork_phantom(record: Record, case: Case) -> bool:
    """A read saw what no client that was not refused had asked to write."""
    refused = {reply.call.index for reply in record.replies if reply.end.type == "fail"}
    written = {
        (_same(key), _same(value))
        for call in record.calls
        if call.index not in refused
        for kind, key, value in call.value
        if kind.startswith("w")
    }
    seen = {
        (_same(key), _same(value))
        for reply in case.replies
        for _, key, value in reply.end.value
        if value is not None
    }
    return bool(seen - written)


def _inserted(record: Record, case: Case) -> bool:
    """Two inserts for one key succeeded."""
    del record
    keys = [_same(_g2_key(reply.call)) for reply in case.replies if reply.ok]
    return len(set(keys)) < len(keys)


def _g2_key(call: Event) -> Any:
    if call.key is not None and isinstance(call.value, list) and not isinstance(call.value[1], list):
        return call.key
    return call.value[0]


def _numbers(reply: Reply) -> Iterator[tuple[str, Any]]:
    key, value = _same(reply.call.key), reply.end.value
    named = value if isinstance(value, dict) else {"": value}
    return ((f"{key} {name}", one) for name, one in named.items() if one is not None)


def _went_back(record: Record, case: Case) -> bool:
    """A reply has a lower number than one that came before it was asked for."""
    del record
    for one, other in case.pairs:
        lower = dict(_numbers(other))
        if one.before(other) and any(lower.get(name, value) < value for name, value in _numbers(one)):
            return True
    return False


def _causal_number(reply: Reply, start: int) -> int:
    value = reply.call.value if reply.call.f == "write" else reply.end.value
    return start if value is None else int(value)


def _reverse(record: Record, case: Case) -> bool:
    """A client saw the start again, or a number that whoever wrote what it knew had known of."""
    start = case.initial if isinstance(case.initial, int) else 0
    for one, other in case.pairs:
        mine = one.call.process == other.call.process and _same(one.call.key) == _same(other.call.key)
        high, low = _causal_number(one, start), _causal_number(other, start)
        if mine and low < high and (low == start or _follows(record, one.call.key, high, low, start)):
            return True
    return False


def _follows(record: Record, key: Any, high: int, low: int, start: int) -> bool:
    """Whether the write of `low` came causally before that of `high`: its writer knew it, or knew who did."""
    name = _same(key)
    told: defaultdict[int | str, list[tuple[int, int]]] = defaultdict(list)
    for reply in (reply for reply in record.replies if reply.ok and _same(reply.call.key) == name):
        told[reply.call.process].append((reply.end.index, _causal_number(reply, start)))
    writes = [call for call in record.calls if call.f == "write" and _same(call.key) == name]
    by_number = {call.value: call for call in writes}
    todo, done = [high], {high}
    while todo:
        call = by_number.get(todo.pop())
        known = (
            {number for end, number in told[call.process] if end < call.index} if call is not None else set()
        )
        if low in known:
            return True
        todo += known - done
        done |= known
    return False


def _causal_phantom(record: Record, case: Case) -> bool:
    """A client saw a number, not the start, that no client that was not refused had asked to write."""
    start = case.initial if isinstance(case.initial, int) else 0
    refused = {reply.call.index for reply in record.replies if reply.end.type == "fail"}
    writes = (call for call in record.calls if call.f == "write" and call.index not in refused)
    written = {(_same(call.key), call.value) for call in writes}
    seen = [reply for reply in case.replies if reply.ok and reply.call.f != "write"]
    numbers = {(_same(reply.call.key), _causal_number(reply, start)) for reply in seen}
    return any(number != start and (key, number) not in written for key, number in numbers)


def _given_twice(record: Record, case: Case) -> bool:
    del record
    given = [_same([reply.call.key, reply.end.value]) for reply in case.replies if reply.ok]
    return len(set(given)) < len(given)


def _taken(reply: Reply) -> list[str]:
    if not reply.ok or reply.call.f == "enqueue":
        return []
    value = reply.end.value
    every = value if reply.call.f == "drain" else [] if value is None else [value]
    return [_same([reply.call.key, one]) for one in every or []]


def _put(record: Record) -> Iterator[tuple[str, Reply | None, Event]]:
    """What was asked to be enqueued and not refused: the element, the answer, the call."""
    ends = {reply.call.index: reply for reply in record.replies}
    for call in record.calls:
        reply = ends.get(call.index)
        if call.f == "enqueue" and (reply is None or reply.end.type != "fail"):
            value = call.value if call.value is not None or reply is None else reply.end.value
            yield _same([call.key, value]), reply, call


def _too_often(record: Record, case: Case) -> bool:
    """An element came out more often than it was asked in."""
    asked = Counter(element for element, *_ in _put(record))
    out = Counter(element for reply in case.replies for element in _taken(reply))
    return any(count > asked[element] for element, count in out.items())


def _lost(record: Record, case: Case) -> bool:
    """The queue was found empty after all enqueues had ended, and more went in for certain than may have come out."""
    for empty in case.replies:
        if not empty.ok or not (
            empty.call.f == "drain" or (empty.call.f == "dequeue" and empty.end.value is None)
        ):
            continue
        key = _same(empty.call.key)
        mine = [row for row in _put(record) if _same(row[2].key) == key]
        ended = all(reply is not None and reply.before(empty) for _, reply, _ in mine)
        into: dict[str, int] = {}
        for element, reply, _ in mine:
            into[element] = into.get(element, 0) + (reply is not None and reply.ok)
        out = [
            element for reply in record.replies if _same(reply.call.key) == key for element in _taken(reply)
        ]
        missing = sum(max(0, count - out.count(element)) for element, count in into.items())
        if ended and missing > _may_have_taken(record, key):
            return True
    return False


def _may_have_taken(record: Record, key: str) -> float:
    ends = {reply.call.index: reply.end for reply in record.replies}
    loose = 0.0
    for call in (call for call in record.calls if call.f != "enqueue" and _same(call.key) == key):
        end = ends.get(call.index)
        if end is None or end.type == "info":
            loose += 1 if call.f == "dequeue" else float("inf")
    return loose


def _no_order(record: Record, case: Case) -> bool:
    """No order of these operations in real time explains what they read; each is tried."""
    del record
    ends = {reply.call.index: reply.end for reply in case.replies if reply.ok}
    refused = {reply.call.index for reply in case.replies if reply.end.type == "fail"}
    calls = [call for call in case.calls if call.index not in refused]
    start = tuple(sorted((_same(name), _same(one)) for name, one in (case.initial or {}).items()))
    seen, todo = {(frozenset[int](), start)}, [(frozenset[int](), start)]
    while todo:
        done, state = todo.pop()
        left = [call for call in calls if call.index not in done]
        known = [ends[call.index] for call in left if call.index in ends]
        if not known:
            return False
        for call in left:
            late = any(end.time < call.time and end.index < call.index for end in known)
            after = None if late else _after(dict(state), call, ends.get(call.index))
            step = None if after is None else (done | {call.index}, after)
            if step is not None and step not in seen:
                seen.add(step)
                todo.append(step)
        if len(seen) > _STEPS_MAX:
            return False
    return True


def _after(state: dict[str, str], call: Event, end: Event | None) -> tuple[tuple[str, str], ...] | None:
    told = end is not None and end.value is not None
    for kind, name, value in end.value if end is not None and told else call.value:
        if kind.startswith("w"):
            state[_same(name)] = _same(value)
        elif told and state.get(_same(name), "null") != _same(value):
            return None
    return tuple(sorted(state.items()))


DEFINITIONS: Final[Mapping[str, Callable[[Record, Case], bool]]] = {
    "bank: wrong total": _wrong_total,
    "bank: wrong accounts": _wrong_accounts,
    "bank: negative balance": _negative,
    "bank: no balance": _none,
    "long-fork: long fork": _fork,
    "long-fork: phantom value": _fork_phantom,
    "adya-g2: G2": _inserted,
    "monotonic: value went back": _went_back,
    "causal: causal reverse": _reverse,
    "causal: phantom value": _causal_phantom,
    "unique-ids: duplicate id": _given_twice,
    "total-queue: phantom value": _too_often,
    "total-queue: duplicate dequeue": _too_often,
    "total-queue: lost element": _lost,
    "multi-register: no order": _no_order,
}
