"""Unique ids: what `generate` answers was never answered before (Jepsen's and Maelstrom's unique-ids)."""

from __future__ import annotations

from quorate.checkers.objects.model import Asked, Found, ObjectModel, Seen, anomaly
from quorate.checkers.words import say
from quorate.harness.history import Event, Operation


def _rule(seen: Seen, asked: Asked) -> Found:
    del asked
    first: dict[str, tuple[Operation, Event]] = {}
    found = []
    for operation, done in seen.succeeded():
        if done.value is None:
            continue
        name = say((done.key, done.value), 1 << 30)
        if name not in first:
            first[name] = (operation, done)
            continue
        before, answered = first[name]
        sentence = (
            f"p{done.process} was given {say(done.value)} {seen.when(done)}, "
            f"which p{answered.process} had been given {seen.when(answered)}"
        )
        found.append(anomaly("duplicate id", sentence, operation, before))
    return Found(found, "" if first else "no id was given", {"ids": len(first)})


MODEL = ObjectModel(
    name="unique-ids",
    about="generate: no id is ever given twice",
    functions=frozenset({"generate", "generate-id"}),
    rule=_rule,
    guarantee="unique-ids",
)
