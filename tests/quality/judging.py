"""Engines against the oracle: verdicts, witnesses and minimal counterexamples of many small histories at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from quorate.checkers.refute import TooLargeError, refute
from quorate.checkers.verify import verify
from quorate.harness.history import Event
from quorate.harness.history.native import Handle, check
from tests.quality import oracle
from tests.quality.histories import Maker, join

LOOKS = ("read", "contains")
# What each engine is asked about: model, engine, unique values, operations, processes, share of all histories.
PLAN = [
    ("cas-register", "auto", False, 7, 3, 10),
    ("cas-register", "auto", False, 11, 4, 8),
    ("cas-register", "auto", True, 8, 3, 8),
    ("cas-register", "exact", False, 9, 4, 6),
    ("cas-register", "relaxed", False, 9, 4, 6),
    ("cas-register", "beam-2", False, 9, 4, 6),
    ("cas-register", "search", True, 8, 4, 4),
    ("kv", "auto", False, 8, 3, 6),
    ("kv", "auto", True, 11, 4, 6),
    ("kv", "exact", False, 9, 4, 6),
    ("kv", "relaxed", False, 9, 4, 4),
    ("kv", "beam-2", False, 9, 4, 4),
    ("set", "auto", False, 8, 3, 8),
    ("set", "auto", True, 9, 4, 6),
    ("set", "search", False, 7, 3, 2),
    ("queue", "auto", True, 9, 4, 10),
    ("queue", "search", True, 7, 3, 2),
    ("queue", "relaxed", True, 7, 3, 2),
    ("queue", "auto", False, 7, 3, 2),
    ("unordered-queue", "auto", True, 9, 4, 6),
    ("unordered-queue", "auto", False, 7, 3, 2),
    ("counter", "auto", False, 9, 3, 6),
    ("lock", "auto", False, 10, 3, 4),
    ("fenced-lock", "auto", False, 10, 3, 4),
]


def disagreements(
    model: str,
    engine: str,
    unique: bool,  # noqa: FBT001 - a row of PLAN
    size: int,
    processes: int,
    seed: int,
    count: int,
    tally: Counter[str],
) -> Iterator[str]:
    """Judge `count` histories; yield a text for everything that is wrong."""
    histories = [
        Maker(seed + number, model, size=size, processes=processes, unique=unique).history()
        for number in range(count)
    ]
    handle = Handle("jsonl")
    handle.feed(msgspec.json.Encoder().encode_lines(join(histories)))
    handle.finish()
    request = {
        "engine": f"linear:{engine}",
        "model": model,
        "parts": True,
        "every_key": True,
        "witness": True,
        "explain": True,
        "time_s": 300.0,
    }
    answer = check(handle, request)
    parts = {part["key"]: part for part in answer["keys"]}
    orders = {part["key"]: part["order"] for part in answer["witness"]}
    offset = 0
    for number, events in enumerate(histories):
        part = parts.get(number, {"verdict": "valid", "engine": "none"})
        valid = oracle.linearizable(events, model)
        tally[f"{model} {part['verdict']} by {part['engine']}"] += 1
        where = f"{model} by {engine}, Maker({seed + number}, size={size}, processes={processes}, unique={unique})"
        if part["verdict"] == "unknown":
            if engine in ("auto", "search", "exact"):
                yield f"{where}: undecided: {part['reason']}"
        elif (part["verdict"] == "valid") != valid:
            yield f"{where}: the engine says {part['verdict']}"
        elif valid and number in parts:
            order = [at - offset for at in orders[number]]
            wrong = verify(
                [Event(index=at, **event) for at, event in enumerate(events)], model, [(None, order)]
            )
            if wrong:
                yield f"{where}: the witness {order} is wrong: {wrong}"
        elif not valid and engine in ("auto", "search", "exact"):
            wrong = counterexample(events, model, part, offset)
            if wrong:
                yield f"{where}: {wrong}"
        offset += len(events)


def counterexample(events: list[dict[str, Any]], model: str, part: dict[str, Any], offset: int) -> str | None:
    """What is wrong with the minimal counterexample, if anything."""
    certificate = certificate_of(part, offset)
    told = [Event(index=at, **event) for at, event in enumerate(events)]
    return refused(told, model, certificate) or not_minimal(events, told, model, part, offset)


def not_minimal(
    events: list[dict[str, Any]], told: list[Event], model: str, part: dict[str, Any], offset: int
) -> str | None:
    """What could have been left out of the counterexample, or what is missing in it, if anything."""
    certificate = certificate_of(part, offset)
    kept = {call - offset: end is not None for call, end in part["events"]}
    scope = part.get("elements")
    if scope is not None:
        events = projected(events, scope)
        wrong = too_wide(events, kept, model, scope)
        if wrong:
            return wrong
    if oracle.explains(some(events, kept), model) or not part["minimal"]:
        return f"what is left has an order, or is not said to be minimal: {kept}"
    if certificate["kind"] != "no-order" or certificate["since"] is not None:
        return smaller(told, model, certificate)
    for call, whole in kept.items():
        if whole:
            fewer = {**kept, call: False}
            if oracle.explains(some(events, fewer), model):
                continue
            return f"event {call} can be left out of {kept}"
    return None


def certificate_of(part: dict[str, Any], offset: int) -> dict[str, Any]:
    """The certificate of one of many histories that were judged together, as its own."""

    def own(value: Any) -> Any:
        if isinstance(value, list):
            return [own(one) for one in value]
        return value - offset if isinstance(value, int) else value

    certificate = {name: own(value) for name, value in part["certificate"].items()} | {"key": None}
    return certificate | ({"elements": part["elements"]} if "elements" in part else {})


def refused(told: list[Event], model: str, certificate: dict[str, Any]) -> str | None:
    """What the certificate's verifier has against it. Many concurrent appends are more orders than it tries."""
    try:
        wrong = refute(told, model, certificate)
    except TooLargeError:
        return None if any(event.f == "append" for event in told) else f"{certificate} is too large"
    return f"the certificate is refused: {wrong}" if wrong else None


def smaller(told: list[Event], model: str, certificate: dict[str, Any]) -> str | None:
    """Whether the certificate proves as much with one answer, or one addition, less."""
    for at, (call, end) in enumerate(certificate.get("operations", ())):
        fewer = [*certificate["operations"]]
        fewer[at] = [call, None]
        if end is not None and refute(told, model, certificate | {"operations": fewer}) is None:
            return f"the answer of event {call} can be left out of {certificate}"
    for call in certificate.get("between", ()):
        fewer = [one for one in certificate["between"] if one != call]
        if refute(told, model, certificate | {"between": fewer}) is None:
            return f"event {call} can be left out of {certificate}"
    return None


def projected(events: list[dict[str, Any]], scope: list[Any]) -> list[dict[str, Any]]:
    """A set's history as far as these elements go."""
    return [
        {**event, "value": [one for one in event["value"] if one in scope]}
        if event["f"] == "read" and event["value"] is not None
        else event
        for event in events
    ]


def too_wide(events: list[dict[str, Any]], kept: dict[int, bool], model: str, scope: list[Any]) -> str | None:
    """Whether the counterexample speaks of an element outside its scope, or of one that can be left out."""
    for call in kept:
        if events[call]["f"] != "read" and events[call]["value"] not in scope:
            return f"event {call} is not about {scope}"
    for element in scope:
        fewer = [one for one in scope if one != element]
        rest = {
            call: whole
            for call, whole in kept.items()
            if events[call]["f"] == "read" or events[call]["value"] in fewer
        }
        if not oracle.explains(some(projected(events, fewer), rest), model):
            return f"element {element} can be left out of {kept}"
    return None


def some(events: list[dict[str, Any]], kept: dict[int, bool]) -> list[oracle.Operation]:
    """Only the operations called at these positions; where it says False, with their outcome unknown."""
    found = []
    for operation in oracle.operations(events):
        if operation.position in kept:
            if kept[operation.position]:
                found.append(operation)
            elif operation.f not in LOOKS:
                found.append(operation._replace(end=oracle.INFINITY, result=None))
    return found
