"""Jepsen's total queue: what goes in comes out, whatever the order, and only that does.

`enqueue`, `dequeue` (null or a failure: nothing there) and `drain`, which answers all that was left. An element that
comes out without having been asked in is unexpected, one that comes out more often than it was asked in is duplicated;
both are certain. An acknowledged element that never came out is lost only if the queue was emptied after everything
else: by a drain, or by a dequeue that found nothing, that was called when all enqueues had ended. Each key is a queue.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from quorate.checkers.objects.model import Asked, Foreign, Found, ObjectModel, Seen, anomaly
from quorate.checkers.words import say
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event, Operation

_Taken = tuple[Operation, Event]


class _Queue:
    """What is known of the queue of one key."""

    def __init__(self) -> None:
        self.tried: defaultdict[str, list[Operation]] = defaultdict(list)
        self.taken: defaultdict[str, list[_Taken]] = defaultdict(list)
        self.enqueues: list[Operation] = []
        self.emptied: Operation | None = None
        self.loose = 0.0


def _rule(seen: Seen, asked: Asked) -> Found:
    del asked
    queues: dict[str, _Queue] = defaultdict(_Queue)
    for operation in seen.operations():
        _note(queues[say(operation.invoke.key, 1 << 30)], operation)
    each = [_judged(seen, queue) for queue in queues.values()]
    missing = next((one.missing for one in each if one.missing), "")
    left = sum(one.stats["left"] for one in each)
    return Found([anomaly for one in each for anomaly in one.anomalies], missing, {"left": left})


def _note(queue: _Queue, operation: Operation) -> None:
    done, kind = operation.completion, operation.invoke.f
    if kind == "enqueue":
        if operation.outcome != "fail":
            value = operation.invoke.value
            value = done.value if value is None and done is not None else value
            queue.tried[_name(value)].append(operation)
            queue.enqueues.append(operation)
        return
    if done is None or operation.outcome == "info":
        queue.loose += 1 if kind == "dequeue" else float("inf")
        return
    if operation.outcome == "fail" and kind == "drain":
        return
    if kind == "drain" and done.value is None:
        queue.loose = float("inf")  # it does not say what it took
        return
    values = _elements(done) if done.type == "ok" else []
    if kind == "drain" or (done.type == "ok" and not values):
        queue.emptied = operation
    for value in values:
        queue.taken[_name(value)].append((operation, done))


def _judged(seen: Seen, queue: _Queue) -> Found:
    tried, taken, emptied, loose = queue.tried, queue.taken, queue.emptied, queue.loose
    found = [*_invented(seen, tried, taken)]
    sure = emptied is not None and all(
        seen.before(one.completion or one.invoke, emptied.invoke) for one in queue.enqueues
    )
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
    if not isinstance(done.value, list):
        raise Foreign(done, "a drain that answers a list of elements")
    return done.value


def _name(value: Any) -> str:
    return say(value, 1 << 30)


def _element(name: str) -> str:
    return name if len(name) <= 200 else f"{name[:200]}…"  # noqa: PLR2004 - as much as a sentence shows


MODEL = ObjectModel(
    name="total-queue",
    about="a queue without order: enqueue, dequeue, drain; what goes in comes out, once",
    functions=frozenset({"enqueue", "dequeue", "drain"}),
    rule=_rule,
    guarantee="total-queue",
)
