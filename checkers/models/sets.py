"""Sets: elements are added and removed, and asked for one by one or as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from quorate.checkers.explain import Named, Rest, Told
from quorate.checkers.models.model import Model, Operation, State, frozen
from quorate.checkers.words import say


def _step(state: frozenset[State], one: Operation) -> Iterator[State]:
    element = frozen(one.asked)
    match one.f:
        case "add":
            yield state | {element}
        case "remove":
            yield state - {element}
        case "contains":
            if not one.known or (element in state) == one.got:
                yield state
        case "read":
            seen = [frozen(each) for each in one.got or ()]
            if not one.known or (len(seen) == len(state) and set(seen) == state):
                yield state
        case _:
            raise LookupError(one.f)


def _sentence(bad: Told, others: Sequence[Told], rest: Rest) -> Named | None:
    del rest
    start = f"{bad.words()} {bad.when}"
    if bad.f == "contains":
        added = [one for one in others if one.f == "add" and one.argument == bad.argument]
        removed = [one for one in others if one.f == "remove" and one.argument == bad.argument]
        if bad.result and not added:
            return "phantom element", f"{start}, but no client had ever added it"
        if not bad.result and added and not removed:
            return "lost element", f"{start}, but {added[0].words()} {added[0].when} and no client removed it"
        last = max([*added, *removed], key=lambda one: one.called, default=None)
        return None if last is None else ("stale read", f"{start}, but {last.words()} {last.when}")
    return _set_read(start, bad, others) if bad.f == "read" else None


def _set_read(start: str, bad: Told, others: Sequence[Told]) -> Named | None:
    scope = set(map(say, bad.scope if bad.scope is not None else bad.result or ()))
    seen = list(map(say, bad.result or ()))
    twice = [one for one in seen if one in scope and seen.count(one) > 1]
    if twice:
        return "duplicate element", f"{start}, and in a set everything is once"
    added = [one for one in others if one.f == "add"]
    phantom = sorted(scope.intersection(seen) - {say(one.argument) for one in added})
    if phantom:
        it = "it" if len(scope) == 1 else ", ".join(phantom)
        return "phantom element", f"{start}, but no client had ever added {it}"
    missing = [one for one in added if say(one.argument) not in seen and one.returned <= bad.called]
    removed = {say(one.argument) for one in others if one.f == "remove"}
    for one in missing:
        if say(one.argument) not in removed:
            it = "it" if len(scope) == 1 else say(one.argument)
            return (
                "lost element",
                f"{start}, but {one.who} had added {it} {one.when} and no client removed it",
            )
    early = [one for one in others if one.f == "read" and one.kind == "ok" and one.returned <= bad.called]
    if early and not removed and set(map(say, early[-1].result or ())) & scope - set(seen):
        return "stale read", f"{start}, but {early[-1].words()} {early[-1].when}, before {bad.who} asked"
    return None


SET: Final = Model(
    "set",
    "a set: add, remove, contains, read of the whole",
    frozenset({"add", "remove", "contains", "read"}),
    _step,
    _sentence,
    initial=frozenset(),
    apart=True,
)
