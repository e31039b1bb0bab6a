"""Several registers changed and read in one step, linearizable: Knossos' multi-register.

Operations (`txn`, `read` or `write`) hold micro-operations `["read", k, v]` and `["write", k, v]` (or `r` and `w`).
Values may come again, which the model `rw` does not allow; the price is a search, some thousands of operations at most.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from quorate.checkers.objects.model import Asked, ObjectModel
from quorate.harness.core.verdict import Limits, Result, Verdict
from quorate.harness.history import Event, History

_MICRO: Final = 3
_State = tuple[tuple[str, str], ...]


def _step(state: _State, f: str, argument: Any, result: Any, known: bool) -> Iterable[_State]:  # noqa: FBT001 - the search's signature
    del f
    registers = dict(state)
    told = known and result is not None
    for kind, key, value in result if told else argument:
        name, text = json.dumps(key), json.dumps(value, sort_keys=True)
        if kind.startswith("w"):
            registers[name] = text
        elif told and registers.get(name, "null") != text:
            return []
    return [tuple(sorted(registers.items()))]


def _looks(f: str, argument: Any) -> bool:
    del f
    return all(not kind.startswith("w") for kind, *_ in argument)


def _judge(history: History, limits: Limits, asked: Asked) -> Result:
    from quorate.checkers.custom import Model, check_custom  # noqa: PLC0415 - the search is for this model alone

    initial = asked.initial if isinstance(asked.initial, dict) else {}
    first = tuple(sorted((json.dumps(key), json.dumps(value)) for key, value in initial.items()))
    events, wrong = _plain(history)
    if wrong is not None:
        reason = f'event {wrong.index}: {wrong.f} is not of micro-operations like [["read", "x", null]]'
        return Result("linearizable", Verdict.UNKNOWN, model=MODEL.name, reason=reason)
    model = Model(name=MODEL.name, initial=first, step=_step, looks=_looks)
    plain = History.of(events)
    plain.timed = history.timed
    return check_custom(plain, model, limits)


def _plain(history: History) -> tuple[list[Event], Event | None]:
    """The events with keys dropped (one object is judged), and the first that is not of this model."""
    events = []
    for event in history.events():
        if event.process != "nemesis" and not (event.value is None and event.type != "invoke"):
            value = event.value if isinstance(event.value, list) else None
            if value is None or not all(isinstance(one, list) and len(one) == _MICRO for one in value):
                return [], event
        events.append(msgspec.structs.replace(event, key=None))
    return events, None


MODEL = ObjectModel(
    name="multi-register",
    about="several registers read and written in one step: [[read, k, v], [write, k, v]] (Knossos)",
    functions=frozenset({"txn", "read", "write"}),
    guarantee="linearizable",
    judge=_judge,
    takes_initial=True,
)
