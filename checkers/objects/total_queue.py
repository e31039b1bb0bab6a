"""Jepsen's total queue: what goes in comes out, whatever the order, and only that does.

`enqueue`, `dequeue` (null or a failure: nothing there) and `drain`, which answers all that was left. An element that
comes out without having been asked in is unexpected, one that comes out more often than it was asked in is duplicated;
both are certain. An acknowledged element that never came out is lost only if the queue was emptied after everything
else: by a drain, or by a dequeue that found nothing, that was called when all enqueues had ended.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from quorate.checkers.objects.model import Asked, Foreign, Found, ObjectModel, Seen, anomaly
from quorate.checkers.words import say
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event, Operation

_Taken = tuple[Operation, Event]


def _rule(seen: Seen, asked: Asked) -> Found:
    del asked
    tried: defaultdict[str, list[Operation]] = defaultdict(list)
    taken: defaultdict[str, list[_Taken]] = defaultdict(list)
    ended, emptied, loose = -1, None, 0.0
    for operation in seen.operations():
        done, kind = operation.completion, operation.invoke.f
        if kind == "enqueue":
            if operation.outcome != "fail":
                value = operation.invoke.value
                value = done.value if value is None and done is not None else value
                tried[_name(operation.invoke.key, value)].append(operation)
                ended = max(ended, done.index if done is not None else operation.invoke.index)
            continue
        if done is None or operation.outcome == "info":
            loose += 1 if kind == "dequeue" else float("inf")
            continue
        if operation.outcome == "fail" and kind == "drain":
            continue
        values = _elements(done) if done.type == "ok" else []
        if kind == "drain" or (done.type == "ok" and not values):
            emptied = operation
        for value in values:
            taken[_name(operation.invoke.key, value)].append((operation, done))
    found = [*_invented(seen, tried, taken)]
    sure = emptied is not None and emptied.invoke.index > ended
    if sure and emptied is not None:
        lost = _lost(seen, tried, taken, emptied)
        # A dequeue of unknown outcome may have taken one; how many are missing beyond that is certain.
        found += lost if len(lost) > loose else ()
        sure = sure and not (lost and len(lost) <= loose)
    rest = sum(len(each) for each in tried.values()) - sum(len(each) for each in taken.values())
    missing = (
        ""
        if sure or rest <= 0
        else (
            "the queue was not emptied at the end (drain, or a dequeue that found nothing, after all else), or "
            "dequeues of unknown outcome may have taken what is missing: whether elements were lost cannot be said"
        )
    )
    return Found(found, missing, {"left": rest})


def _invented(seen: Seen, tried: dict[str, list[Operation]], taken: dict[str, list[_Taken]]) -> list[Anomaly]:
    found = []
    for name, takers in taken.items():
        seen.look()
        sources = tried.get(name, [])
        if len(takers) <= len(sources):
            continue
        operation, done = takers[len(sources)]
        start = f"p{done.process} was given {_element(name)} {seen.when(done)}"
        if not sources:
            found.append(anomaly("phantom value", f"{start}, but no client had ever enqueued it", operation))
            continue
        before = [each for each, _ in takers[: len(sources)]]
        times = "once" if len(sources) == 1 else f"{len(sources)} times"
        text = f"{start}, the {len(sources) + 1}th time, but it was enqueued only {times}"
        text = text.replace("2th", "2nd").replace("3th", "3rd")
        found.append(anomaly("duplicate dequeue", text, operation, *before, *sources))
    return found


def _lost(
    seen: Seen, tried: dict[str, list[Operation]], taken: dict[str, list[_Taken]], emptied: Operation
) -> list[Anomaly]:
    found = []
    end = emptied.completion or emptied.invoke
    for name, sources in tried.items():
        sure = [one for one in sources if one.outcome == "ok"]
        if len(taken.get(name, ())) >= len(sure):
            continue
        one = sure[-1]
        done = one.completion or one.invoke
        text = (
            f"p{done.process} enqueued {_element(name)} {seen.when(done)}, and it never came out, "
            f"though p{end.process} emptied the queue {seen.when(end)}"
        )
        others = [each for each, _ in taken.get(name, ())]
        found.append(anomaly("lost element", text, one, emptied, *others, *sure[:-1]))
    return found


def _elements(done: Event) -> list[Any]:
    if done.f != "drain":
        return [] if done.value is None else [done.value]
    if done.value is None:
        return []
    if not isinstance(done.value, list):
        raise Foreign(done, "a drain that answers a list of elements")
    return done.value


def _name(key: Any, value: Any) -> str:
    return f"{say(key, 1 << 30)}\n{say(value, 1 << 30)}"


def _element(name: str) -> str:
    text = name.partition("\n")[2]
    return text if len(text) <= 200 else f"{text[:200]}…"  # noqa: PLR2004 - as much as a sentence shows


MODEL = ObjectModel(
    name="total-queue",
    about="a queue without order: enqueue, dequeue, drain; what goes in comes out, once",
    functions=frozenset({"enqueue", "dequeue", "drain"}),
    rule=_rule,
    guarantee="total-queue",
)
