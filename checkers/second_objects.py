"""Operations as second judges read them: from the events again, with what each can lead to.

Shares no code with the engines. Values are their JSON texts, so that they can be compared and hashed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from quorate.checkers.models import MODELS
from quorate.checkers.models.model import Operation
from quorate.checkers.verify import ends_of, ranks_of
from quorate.harness.history.event import NEMESIS, Event

_FAMILIES: Final = {"kv": "register", "fenced-lock": "lock"}
_LOOKS: Final = {"read", "contains"}


class Op(msgspec.Struct, frozen=True):
    """One operation: `call` and `ret` are ranks in time, `ret` infinite where the outcome is unknown or not used."""

    at: int
    call: int
    ret: float
    process: int | str
    f: str
    asked: Any
    told: Any
    key: str = "null"
    looking: bool | None = None  # of models that are replayed by their record; None: by the rules here

    @property
    def open(self) -> bool:
        """Whether the outcome is unknown."""
        return self.ret == math.inf

    @property
    def looks(self) -> bool:
        """Whether it changes nothing."""
        if self.looking is not None:
            return self.looking
        return self.f in _LOOKS or (self.f == "dequeue" and not self.open and self.told == "null")


class TooLargeError(Exception):
    """The certificate cannot be replayed within what this verifier allows itself."""


class Operations:
    """The operations on one key, or on all."""

    def __init__(self, events: Sequence[Event], model: str, key: Any, *, per_key: bool) -> None:
        self.model = model
        self._rank = ranks_of(events)
        self._position = {event.index: at for at, event in enumerate(events)}
        self._ends = ends_of(events)
        self._events = events
        self.ops: dict[int, Op] = {}
        for at, event in enumerate(events):
            if event.type == "invoke" and event.process != NEMESIS and (not per_key or event.key == key):
                op = self._read(at, self._ends.get(at))
                if op is not None:
                    self.ops[at] = op

    def _read(self, at: int, end: int | None) -> Op | None:
        call = self._events[at]
        done = None if end is None else self._events[end]
        if not MODELS[self.model].apart:
            return self._as_recorded(at, call, done)
        f = {"get": "read", "put": "write", "increment": "add"}.get(call.f, call.f)
        asked = (*map(self._value, call.value),) if f == "cas" else self._value(call.value)
        if done is not None and done.type == "fail":
            if f != "cas" or done.value is None or done.value == call.value:
                return None
            f = "read"
        if f == "delete":
            f, asked = "write", "null"
        told = None if done is None else self._value(done.value)
        ret = math.inf if end is None else self._rank[end]
        if f == "cas" and asked[0] == asked[1]:
            f, told = "read", asked[0]
        op = Op(at, self._rank[at], ret, call.process, f, asked, told, text(call.key))
        return None if op.open and op.looks else op

    def _as_recorded(self, at: int, call: Event, done: Event | None) -> Op | None:
        """Read an operation of a model that has no rules here."""
        looks = call.f in MODELS[self.model].looks
        if (done is None and looks) or (done is not None and done.type == "fail"):
            return None
        ret = math.inf if done is None else self._rank[self._ends[at]]
        told = None if done is None else text(done.value)
        return Op(
            at, self._rank[at], ret, call.process, call.f, text(call.value), told, text(call.key), looks
        )

    def _value(self, value: Any) -> str:
        return "null" if self.model == "kv" and value == "" else text(value)

    def rank_of(self, index: int) -> int | None:
        """When the event with this index happened."""
        at = self._position.get(index)
        return None if at is None else self._rank[at]

    def kept(self, operations: Sequence[Sequence[int | None]]) -> list[Op] | None:
        """The operations of a certificate; None where an index does not belong there."""
        found: dict[int, Op] = {}
        for call, end in operations:
            at = self._position.get(call if call is not None else -1, -1)
            if at not in self.ops or at in found:
                return None
            op = self.ops[at]
            if end is None:
                op = msgspec.structs.replace(op, ret=math.inf, told=None)
            elif self._ends.get(at) != self._position.get(end):
                return None
            found[at] = op
        return list(found.values())

    def by_index(self, index: int) -> Op | None:
        """The operation whose invocation has this index."""
        return self.ops.get(self._position.get(index, -1))


def text(value: Any) -> str:
    """The value as JSON."""
    return msgspec.json.encode(value).decode()


def after(model: str, state: Any, op: Op, scope: set[str] | None) -> list[Any]:  # noqa: C901, PLR0911, PLR0912 - a table
    """The states that the operation can lead to; none where it cannot happen."""
    if not MODELS[model].apart:
        return [*MODELS[model].step(state, _recorded(op))]
    match _FAMILIES.get(model, model), op.f:
        case "register", "read":
            return [state] * (op.told == state)
        case "register", "write":
            return [op.asked]
        case "register", "cas":
            return [op.asked[1]] * (op.asked[0] == state)
        case "register", "append":
            joined = (plain(state) or "") + plain(op.asked)
            return ["null" if joined == "" else text(joined)]
        case "set", "add":
            return [state | {op.asked}]
        case "set", "remove":
            return [state - {op.asked}]
        case "set", "contains":
            return [state] * ((op.asked in state) == (op.told == "true"))
        case "set", "read":
            seen = members(op, scope)
            return [state] * (len(seen) == len(state) and set(seen) == state)
        case "queue" | "unordered-queue", "enqueue":
            joined = (*state, op.asked)
            return [joined if model == "queue" else tuple(sorted(joined))]
        case "queue" | "unordered-queue", "dequeue":
            if op.told == "null" and not op.open:
                return [state] * (not state)
            places = range(len(state[:1] if model == "queue" else state))
            fits = [at for at in places if op.open or state[at] == op.told]
            return [state[:at] + state[at + 1 :] for at in fits[: None if op.open else 1]]
        case "counter", "add":
            return [state + plain(op.asked)]
        case "counter", "read":
            return [state] * (plain(op.told) == state)
        case "lock", "acquire":
            token = None if op.open or model != "fenced-lock" else plain(op.told)
            holder, highest = state
            grows = token is None or highest is None or token > highest
            return [(op.process, highest if token is None else token)] * (holder is None and grows)
        case "lock", "release":
            return [(None, state[1])] * (state[0] == op.process)
        case _:
            return []


def _recorded(op: Op) -> Operation:
    """The operation as a model's record takes it."""
    got = None if op.open or op.told is None else plain(op.told)
    return Operation(op.process, op.f, plain(op.asked), got, known=not op.open)


def plain(value: str) -> Any:
    """The value of a JSON text."""
    return msgspec.json.decode(value)


def members(op: Op, scope: set[str] | None) -> list[str]:
    """What a read of a set saw, as far as the scope goes."""
    return [one for one in map(text, plain(op.told) or ()) if scope is None or one in scope]
