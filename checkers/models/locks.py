"""Locks that a process holds, with fencing tokens or without."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from quorate.checkers.explain import Named, Rest, Told
from quorate.checkers.models.model import Model, Operation, State
from quorate.checkers.words import say

# Who holds it (None: no process), and the highest token that was given (None: none yet).
_FREE: Final = (None, None)


def _step(state: tuple[Any, Any], one: Operation) -> Iterator[tuple[Any, Any]]:
    holder, highest = state
    match one.f:
        case "acquire":
            if holder is None:
                yield one.process, highest
        case "release":
            if holder == one.process:
                yield None, highest
        case _:
            raise LookupError(one.f)


def _fenced_step(state: tuple[Any, Any], one: Operation) -> Iterator[State]:
    """The same, but each token is higher than those before it."""
    token, highest = one.got if one.known and one.f == "acquire" else None, state[1]
    for holder, _ in _step(state, one):
        if token is None:
            yield holder, highest
        elif highest is None or token > highest:
            yield holder, token


def _words(state: tuple[Any, Any]) -> str:
    holder, highest = state
    token = (
        "" if highest is None else f" (token {highest})" if holder is not None else f" (last token {highest})"
    )
    return ("free" if holder is None else f"p{holder}") + token


def _sentence(bad: Told, others: Sequence[Told], rest: Rest) -> Named | None:
    start = f"{bad.words()} {bad.when}"
    holders = [one for one in others if one.f == "acquire" and one.kind == "ok"]
    if bad.f == "release" and not any(one.process == bad.process for one in holders):
        return "release without hold", f"{start}, but did not hold it"
    tokens = [
        one for one in holders if bad.f == "acquire" and one.result is not None and bad.result is not None
    ]
    newer = [one for one in tokens if one.result >= bad.result and one.returned <= bad.called]
    if newer:
        return "token went back", f"{start}, but {newer[0].words()} {newer[0].when}, before {bad.who} asked"
    if bad.f != "acquire":
        return None
    others_hold = [one for one in holders if one.process != bad.process]
    if others_hold:
        one = max(others_hold, key=lambda one: one.called)
        return "double grant", f"{start}, but {_held_by(one, bad, rest)}"
    own = [one for one in holders if one.returned <= bad.called]
    given = [one for one in others if one.f == "release" and one.process == bad.process]
    if own and not any(own[-1].returned <= one.called <= bad.called for one in given):
        return "taken twice", f"{start}, which it held already: {own[-1].words()} {own[-1].when}"
    return None


def _held_by(one: Told, bad: Told, rest: Rest) -> str:
    token = "" if one.result is None else f" (token {say(one.result)})"
    back = rest.released(one.process, one.returned)
    if back is None:
        ended = "never asked to give it back"
    elif back > bad.returned:
        ended = f"asked to give it back only at {back:.3f} s"
    else:
        ended = "had not given it back"
    return f"{one.who} had taken it{token} {one.when} and {ended}"


LOCK: Final = Model(
    "lock",
    "a lock held by a process: acquire, release",
    frozenset({"acquire", "release"}),
    _step,
    _sentence,
    initial=_FREE,
    words=_words,
    apart=True,
)
FENCED_LOCK: Final = Model(
    "fenced-lock",
    "a lock whose acquire returns a token that grows each time",
    frozenset({"acquire", "release"}),
    _fenced_step,
    _sentence,
    initial=_FREE,
    words=_words,
    apart=True,
)
