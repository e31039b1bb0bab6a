"""Jepsen's causal register: per key, what a client wrote or saw it never sees undone.

`read-init` reads the initial state (null or 0), `write` writes the next number, `read` reads; each client's operations
follow one another causally, and so does reading what another wrote. Numbers written to a key grow by one, so they are
their own versions: a client that wrote or saw one must never see a lower one that whoever wrote it knew of, nor the
initial state. Of numbers that two clients wrote without knowing of each other neither comes first.
"""

from __future__ import annotations

from typing import Any, Final

from quorate.checkers.objects.model import Asked, Foreign, Found, ObjectModel, Seen, anomaly
from quorate.checkers.words import say
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event, Operation

_START: Final = 0

_Known = tuple[int, Operation, Event]


class _Pasts:
    """What the client that wrote a number knew of its key by then, by the key and the number."""

    def __init__(self) -> None:
        # For each client and key the numbers that it wrote or saw, in order; of each write, how many it knew by then.
        self._seen: dict[tuple[int | str, str], list[int]] = {}
        self._by: dict[tuple[str, int], tuple[int | str, int]] = {}

    def wrote(self, client: tuple[int | str, str], number: int) -> None:
        """Note a write as it was asked for, whether or not it took effect."""
        self._by[client[1], number] = (client[0], len(self._seen.get(client, ())))

    def knows(self, client: tuple[int | str, str], number: int) -> None:
        """Note that a client wrote or saw this."""
        self._seen.setdefault(client, []).append(number)

    def holds(self, key: str, number: int, earlier: int) -> bool:
        """Whether whoever wrote `number` knew of `earlier`, or of a number whose writer did, and so on."""
        left, tried = [number], {number}
        while left:
            process, count = self._by.get((key, left.pop()), (0, 0))
            for known in self._seen.get((process, key), [])[:count]:
                if known == earlier:
                    return True
                if known not in tried:
                    tried.add(known)
                    left.append(known)
        return False


def _rule(seen: Seen, asked: Asked) -> Found:
    start = asked.initial if _number(asked.initial) else _START
    written = _written(seen)
    known: dict[tuple[int | str, str], _Known] = {}
    pasts = _past_of_writes(seen, start)
    found: list[Anomaly] = []
    for operation, done in seen.succeeded():
        name = say(operation.invoke.key, 1 << 30)
        client = (done.process, name)
        value = _number_of(operation, done, start)
        said = "wrote" if done.f == "write" else "read"
        words = f"p{done.process} {said} {say(value)} {seen.when(done)}"
        before = known.get(client)
        if done.f != "write" and value != start and value not in written.get(name, set()):
            found.append(anomaly("phantom value", f"{words}, but no client had ever written it", operation))
            continue
        if before is not None and value < before[0]:
            if done.f == "write":
                raise Foreign(operation.invoke, f"a write of more than {before[0]}, which its client knew of")
            if value == start or pasts.holds(name, before[0], value):
                verb = "written" if before[2].f == "write" else "read"
                text = f"{words}, but had {verb} {before[0]} {seen.when(before[2])}"
                found.append(anomaly("causal reverse", text, operation, before[1]))
            continue
        known[client] = (value, operation, done)
    return Found(found, "", {"clients": len(known)})


def _past_of_writes(seen: Seen, start: int) -> _Pasts:
    pasts = _Pasts()
    for operation in seen.operations():
        # A client does one after the other, so what it had asked for before is what it knew.
        client = (operation.invoke.process, say(operation.invoke.key, 1 << 30))
        done = operation.completion
        if operation.invoke.f == "write":
            pasts.wrote(client, operation.invoke.value)
        if done is not None and operation.outcome == "ok":
            pasts.knows(client, _number_of(operation, done, start))
    return pasts


def _number_of(operation: Operation, done: Event, start: int) -> int:
    value = operation.invoke.value if done.f == "write" else done.value
    value = start if value is None else value
    if not isinstance(value, int) or isinstance(value, bool):
        raise Foreign(done, "a whole number")
    return value


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
