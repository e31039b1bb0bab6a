"""Adya's G2 by predicate: of two inserts that each looked whether the other was there, at most one may succeed.

Jepsen's `adya/g2`: `insert` with value `[key, [a-id, null]]` or `[key, [null, b-id]]` (or the key in its own field).
Each transaction reads both tables by a predicate and inserts only where it finds nothing, so two that succeed for one
key are an anti-dependency cycle over a predicate.
"""

from __future__ import annotations

from typing import Any, Final

from quorate.checkers.objects.model import Asked, Foreign, Found, ObjectModel, Seen, anomaly
from quorate.checkers.words import say
from quorate.harness.history import Event, Operation

_PAIR: Final = 2


def _rule(seen: Seen, asked: Asked) -> Found:
    del asked
    first: dict[str, tuple[Operation, Event]] = {}
    found = []
    tried: dict[str, int] = {}
    for operation in seen.operations("insert"):
        key = say(_key(operation.invoke), 1 << 30)
        tried[key] = tried.get(key, 0) + 1
        done = operation.completion
        if done is None or operation.outcome != "ok":
            continue
        if key in first:
            before, answered = first[key]
            sentence = (
                f"p{done.process} inserted {say(done.value)} {seen.when(done)}, and p{answered.process} inserted "
                f"{say(answered.value)} {seen.when(answered)}, though each looked for the other first (key {key})"
            )
            found.append(anomaly("G2", sentence, operation, before))
        first.setdefault(key, (operation, done))
    contended = any(count > 1 for count in tried.values())
    missing = "" if contended else "no key was inserted twice: nothing could have gone wrong"
    return Found(found, missing, {"keys": len(tried)})


def _key(event: Event) -> Any:
    if event.key is not None and _ids(event.value):
        return event.key
    value = event.value
    if isinstance(value, list) and len(value) == _PAIR and _ids(value[1]):
        return value[0]
    raise Foreign(event, "an insert of [key, [a-id, null]] or [key, [null, b-id]]")


def _ids(value: Any) -> bool:
    return isinstance(value, list) and len(value) == _PAIR and sum(one is None for one in value) == 1


MODEL = ObjectModel(
    name="adya-g2",
    about="insert after a look by predicate: of two for one key at most one succeeds",
    functions=frozenset({"insert"}),
    rule=_rule,
    guarantee="no-g2",
)
