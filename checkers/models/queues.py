"""Queues, first in first out or in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from quorate.checkers.explain import Named, Rest, Told
from quorate.checkers.models.model import Model, Operation, State, frozen

_EMPTY: Final = ("nothing",)


def _step(state: tuple[State, ...], one: Operation) -> Iterator[State]:
    match one.f:
        case "enqueue":
            yield (*state, frozen(one.asked))
        case "dequeue" if not one.known:
            if state:  # an unknown one that found nothing changed nothing
                yield state[1:]
        case "dequeue":
            if _head(one, state[0] if state else _EMPTY):
                yield state[1:]
        case _:
            raise LookupError(one.f)


def _bag_step(state: tuple[State, ...], one: Operation) -> Iterator[State]:
    match one.f:
        case "enqueue":
            yield tuple(sorted((*state, frozen(one.asked)), key=repr))
        case "dequeue":
            if one.known and not state and _head(one, _EMPTY):
                yield state
            for at, value in enumerate(state):
                if (not one.known or _head(one, value)) and state.index(value) == at:
                    yield state[:at] + state[at + 1 :]
        case _:
            raise LookupError(one.f)


def _head(one: Operation, value: State) -> bool:
    """Whether a dequeue answered this; null says that there was nothing."""
    return value == _EMPTY if one.got is None else value == frozen(one.got)


def _sentence(bad: Told, others: Sequence[Told], rest: Rest) -> Named | None:  # noqa: PLR0911 - one case each
    del rest
    if bad.f == "dequeue":
        start = f"{bad.words()} {bad.when}"
        held = [one for one in others if one.f == "enqueue" and one.kind == "ok"]
        taken = [one for one in others if one.f == "dequeue" and one.kind == "ok"]
        if bad.result is None:
            if len(held) > sum(one.result is not None for one in taken):
                return "false empty", f"{start}, but {held[0].words()} {held[0].when} and it was still there"
            return "false empty", f"{start}, but at no moment was it empty"
        if any(one.result == bad.result for one in taken):
            other = next(one for one in taken if one.result == bad.result)
            return "duplicate dequeue", f"{start}, but {other.who} had already dequeued it {other.when}"
        source = [one for one in others if one.f == "enqueue" and one.argument == bad.result]
        if not source:
            return "phantom value", f"{start}, but no client had ever enqueued it"
        if min(one.called for one in source) >= bad.returned:
            return "future value", f"{start}, but it was first asked to be enqueued after that"
        return _queue_order(start, bad, others)
    return None


def _queue_order(start: str, bad: Told, others: Sequence[Told]) -> Named | None:
    enqueued = [one for one in others if one.f == "enqueue"]
    taken = [one for one in others if one.f == "dequeue"]
    came = next((one for one in enqueued if one.argument == bad.result), None)
    ahead = [one for one in enqueued if came and one is not came and one.returned <= came.called]
    for one in ahead:
        if any(other.kind == "info" and other.called >= bad.returned for other in taken):
            return (
                "reordered queue",
                f"{start}, but {one.words()} {one.when}, ahead of it, and it was still there",
            )
        if not any(other.result == one.argument for other in taken):
            return (
                "lost element",
                f"{start}, but {one.words()} {one.when}, ahead of it, and no client dequeued that",
            )
    behind = next((one for one in taken if one.returned <= bad.called), None)
    if behind:
        return (
            "reordered queue",
            f"{start}, after {behind.words()} {behind.when}, which had been enqueued later",
        )
    return None


QUEUE: Final = Model(
    "queue",
    "first in, first out: enqueue, dequeue",
    frozenset({"enqueue", "dequeue"}),
    _step,
    _sentence,
    initial=(),
    apart=True,
)
UNORDERED_QUEUE: Final = Model(
    "unordered-queue",
    "a bag: enqueue, dequeue in any order",
    frozenset({"enqueue", "dequeue"}),
    _bag_step,
    _sentence,
    initial=(),
    apart=True,
)
