"""Jepsen's causal register: per key, what a client wrote or saw it never sees undone.

`read-init` reads the initial state (null or 0), `write` writes the next number, `read` reads; each client's operations
follow one another causally, and so does reading what another wrote. Numbers written to a key grow by one, so they are
their own versions: a client that wrote or saw one must never see a lower one, nor the initial state.
"""

from __future__ import annotations

from typing import Any, Final

from quorate.checkers.objects.model import Asked, Foreign, Found, ObjectModel, Seen, anomaly
from quorate.checkers.words import say
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event, Operation

_START: Final = 0

_Known = tuple[int, Operation, Event]


def _rule(seen: Seen, asked: Asked) -> Found:
    start = asked.initial if _number(asked.initial) else _START
    written = _written(seen)
    known: dict[tuple[int | str, str], _Known] = {}
    found: list[Anomaly] = []
    for operation, done in seen.succeeded():
        name = say(operation.invoke.key, 1 << 30)
        client = (done.process, name)
        value = operation.invoke.value if done.f == "write" else done.value
        value = start if value is None else value
        if not _number(value):
            raise Foreign(done, "a whole number")
        said = "wrote" if done.f == "write" else "read"
        words = f"p{done.process} {said} {say(value)} {seen.when(done)}"
        before = known.get(client)
        if done.f != "write" and value != start and value not in written.get(name, set()):
            found.append(anomaly("phantom value", f"{words}, but no client had ever written it", operation))
            continue
        if before is not None and value < before[0]:
            verb = "written" if before[2].f == "write" else "read"
            text = f"{words}, but had {verb} {before[0]} {seen.when(before[2])}"
            found.append(anomaly("causal reverse", text, operation, before[1]))
            continue
        known[client] = (value, operation, done)
    return Found(found, "", {"clients": len(known)})


def _written(seen: Seen) -> dict[str, set[Any]]:
    written: dict[str, set[Any]] = {}
    for operation in seen.operations("write"):
        if not _number(operation.invoke.value):
            raise Foreign(operation.invoke, "a write of a whole number")
        values = written.setdefault(say(operation.invoke.key, 1 << 30), set())
        if operation.invoke.value in values:
            raise Foreign(operation.invoke, "the only write of its number to its key, as this model needs")
        if operation.outcome != "fail":
            values.add(operation.invoke.value)
    return written


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


MODEL = ObjectModel(
    name="causal",
    about="Jepsen's causal register: read-init, write of growing numbers, read; a client never sees less than it knows",
    functions=frozenset({"read-init", "read", "write"}),
    rule=_rule,
    guarantee="causal",
    takes_initial=True,
)
