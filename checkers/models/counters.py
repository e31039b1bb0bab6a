"""Counters: numbers are added, and the total is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from quorate.checkers.explain import Named, Rest, Told
from quorate.checkers.models.model import Model, Operation, State


def _step(state: Any, one: Operation) -> Iterator[State]:
    match one.f:
        case "add" | "increment":
            yield state + one.asked
        case "read":
            if not one.known or one.got == state:
                yield state
        case _:
            raise LookupError(one.f)


def _sentence(bad: Told, others: Sequence[Told], rest: Rest) -> Named | None:
    del rest
    if bad.f != "read":
        return None
    start = f"{bad.words()} {bad.when}"
    adds = [one for one in others if one.f != "read"]
    sure = sum(one.argument for one in adds if one.returned <= bad.called)
    most = sum(one.argument for one in adds if one.called < bad.returned)
    if all(one.argument >= 0 for one in adds):
        more = [
            one
            for one in others
            if one.f == "read" and one.result > bad.result and one.returned <= bad.called
        ]
        if more:
            one = more[0]
            return "total went back", f"{start}, but {one.words()} {one.when}, before {bad.who} asked"
        if bad.result < sure:
            return "lost increment", f"{start}, but increments of {sure} had succeeded before {bad.who} asked"
        if bad.result > most:
            return "phantom increment", f"{start}, but increments of no more than {most} had been asked for"
    return None


COUNTER: Final = Model(
    "counter",
    "a counter: add (or increment), read",
    frozenset({"add", "increment", "read"}),
    _step,
    _sentence,
    initial=0,
    apart=True,
)
