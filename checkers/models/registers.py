"""Registers: reads, writes, compare-and-set, deletion, appending."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from quorate.checkers.explain import Named, Rest, Told, general
from quorate.checkers.models.model import Model, Operation, State, frozen
from quorate.checkers.words import say


def _step(state: Any, one: Operation) -> Iterator[State]:
    match one.f:
        case "read":
            after = state if not one.known or state == frozen(one.got) else _NEVER
        case "cas":
            old, new = map(frozen, one.asked)
            after = new if state == old else _NEVER
        case "write":
            after = frozen(one.asked)
        case _:
            raise LookupError(one.f)
    if after is not _NEVER:
        yield after


def _string_step(state: Any, one: Operation) -> Iterator[State]:
    """The same of a string, of which the empty one is none; it may be deleted and appended to as well."""
    match one.f:
        case "delete":
            yield None
        case "append":
            yield (state or "") + (one.asked or "") or None
        case "cas":
            yield from _step(state, _replaced(one, [_string(each) for each in one.asked], one.got))
        case _:
            yield from _step(state, _replaced(one, _string(one.asked), _string(one.got)))


def _string(value: Any) -> Any:
    return None if value == "" else value


def _replaced(one: Operation, asked: Any, got: Any) -> Operation:
    return Operation(one.process, one.f, asked, got, one.known)


_NEVER: Final = object()


def _sentence(bad: Told, others: Sequence[Told], rest: Rest) -> Named | None:  # noqa: PLR0911 - one case each
    if bad.f not in ("read", "cas") or any(one.f == "append" for one in others):
        return _unread(bad, others)
    value = bad.found
    start = f"{bad.words()} {bad.when}"
    writers = [one for one in others if one.f in ("write", "cas", "delete") and one.left == value]
    if not writers and value is not None:
        refused = rest.failed(value)
        if refused is not None:
            who, ended = refused
            return "phantom value", f"{start}, but {who}'s write of it had failed {ended}"
        return "phantom value", f"{start}, but no client had ever written {say(value)}"
    if bad.f == "cas":
        twice = [one for one in others if one.f == "cas" and one.found == value and one.kind == "ok"]
        if twice and len(writers) <= 1:
            other = twice[0]
            return "double cas", (
                f"{start}, but {other.words()} {other.when} as well, and {say(value)} was written only once"
            )
    if writers and min(one.called for one in writers) >= bad.returned:
        return "future value", f"{start}, but {say(value)} was first asked to be written after that"
    over = [one for one in others if one.kind == "ok" and _shows(one) != value and one.returned <= bad.called]
    over.sort(key=lambda one: one.returned)
    if not over:
        return None
    return _stale(start, bad, over, others, rest)


def _shows(one: Told) -> Any:
    return one.result if one.f == "read" else one.left


def _stale(start: str, bad: Told, over: Sequence[Told], others: Sequence[Told], rest: Rest) -> Named:
    newest = over[-1]
    now = _shows(newest)
    readers = [one for one in over if one.f == "read" and one.result == now]
    writer = next((one for one in others if one.f != "read" and one.left == now), None)
    facts = [f"written by {writer.who}"] if writer else []
    facts += [f"read by {one.who}" for one in readers[:2]]
    lost = newest.f != "read" and not readers and not rest.moved(newest.returned, bad.found)
    name = "lost write" if lost else "stale read" if bad.f == "read" else "stale cas"
    if now is None:
        facts = facts or ["so"]
        return name, f"{start}, but {newest.words()} {newest.when}, before {bad.who} asked"
    seen = "anything" if bad.found is None else f"anything but {say(bad.found)}"
    tail = f", and no later read saw {seen}" if lost else ""
    return name, f"{start}, but {say(now)} had been {' and '.join(facts)} before {bad.who} asked{tail}"


def _unread(bad: Told, others: Sequence[Told]) -> Named | None:
    """The last to return is a write: reads around it contradict each other."""
    readers = [one for one in others if one.f == "read"]
    if bad.f not in ("write", "delete") or not readers:
        return None
    name, sentence = general(bad, others)
    return ("reordered reads" if len(readers) > 1 else name), sentence


REGISTER: Final = Model(
    "register", "a register: read, write", frozenset({"read", "write"}), _step, _sentence, apart=True
)
CAS_REGISTER: Final = Model(
    "cas-register",
    "a register with compare-and-set: read, write, cas",
    frozenset({"read", "write", "cas"}),
    _step,
    _sentence,
    apart=True,
)
KV: Final = Model(
    "kv",
    "a string per key: read, write, cas, delete, append; an empty string is the same as none",
    frozenset({"read", "write", "cas", "delete", "append"}),
    _string_step,
    _sentence,
    apart=True,
)
