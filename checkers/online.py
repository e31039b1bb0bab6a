"""Registers judged while the run goes on: fed event by event, memory flat, an early `invalid` that is final.

`invalid` on the beginning of a history is final, `valid` is not: what comes later can only add contradictions. Every
`batch` events the keys that changed are judged by the same engines as a finished history. What is settled is then
forgotten, in two ways that cannot make a correct history look wrong:

* values written once: a value that was certainly overwritten before every operation still open was called can never
  be read again, so all operations on it go; reading it later is as wrong as reading a value that nobody wrote;
* else, when no operation of known outcome is open: only the values that may be there now are kept, each found by
  asking the engine whether a read of it would fit, together with the operations of unknown outcome.

Models without `initial` states to start from (queues, sets, locks) keep their operations until the end of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from checkers.linearizable import Linearizable
from harness.history.event import NEMESIS, Event
from harness.history.history import History
from harness.verdict import Anomaly, Limits, Verdict

_REGISTERS: Final = ("register", "cas-register")
# A probe of what may be there now never takes longer; if it does, nothing is forgotten this time.
_PROBE: Final = Limits(time_s=1.0, memory_bytes=64 << 20)


class _Key:
    """The events of one key that still matter, and the values with which they may begin."""

    def __init__(self, initial: Any) -> None:
        self.events: list[Event] = []
        self.starts: list[Any] = [initial]
        self.judged = 0


class Online:
    """Feed it every event of the run in order; it returns an anomaly as soon as one is certain.

    `batch` is the number of events between two looks, `limits` those of one look: a look that is not decided is
    repeated with more events, and the finished history is judged at the end in any case.
    """

    def __init__(
        self,
        model: str = "cas-register",
        *,
        initial: Any = None,
        batch: int = 2000,
        limits: Limits | None = None,
    ) -> None:
        self.model = model
        self.initial = initial
        self.batch = batch
        self.limits = limits or Limits(time_s=2.0, memory_bytes=256 << 20)
        self.anomaly: Anomaly | None = None
        self._keys: dict[Any, _Key] = {}
        self._waiting = 0

    @property
    def held(self) -> int:
        """How many events are held."""
        return sum(len(key.events) for key in self._keys.values())

    def feed(self, event: Event) -> Anomaly | None:
        """Take the next event; return the anomaly once one is known, and from then on."""
        if self.anomaly is not None or event.process == NEMESIS:
            return self.anomaly
        name = msgspec.json.encode(event.key)
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = _Key(self.initial)
        key.events.append(event)
        self._waiting += 1
        if self._waiting >= self.batch:
            self.look()
        return self.anomaly

    def look(self) -> Anomaly | None:
        """Judge what has come since the last look, and forget what is settled."""
        self._waiting = 0
        for key in self._keys.values():
            if self.anomaly is None and len(key.events) > key.judged:
                self._judge(key)
        return self.anomaly

    def _judge(self, key: _Key) -> None:
        results = []
        for start in key.starts:
            checker = Linearizable(self.model, initial=start)
            result = checker.check(History.of(key.events), self.limits)
            results.append(result)
            if result.verdict is not Verdict.INVALID:
                break
        if results[-1].verdict is Verdict.INVALID:
            self.anomaly = results[0].anomalies[0]
        elif results[-1].verdict is Verdict.VALID and self.model in _REGISTERS:
            self._forget(key)
        key.judged = len(key.events)

    def _forget(self, key: _Key) -> None:
        operations = _operations(key.events)
        if key.starts == [self.initial] and _unique(operations, self.initial):
            gone = _overwritten(operations)
            key.events = [event for event in key.events if event.index not in gone]
        elif all(end is not None for _, end in operations):
            self._settle(key, operations)

    def _settle(self, key: _Key, operations: Sequence[_Pair]) -> None:
        """Nothing of known outcome is open: keep the values that may be there."""
        last = key.events[-1]
        values = [*key.starts]
        for call, _ in operations:
            if call.f != "read" and _left(call) not in values:
                values.append(_left(call))
        nobody = 1 + max(event.process for event in key.events if isinstance(event.process, int))
        possible = []
        for value in values:
            probe = [
                *key.events,
                Event(last.index + 1, last.time + 1, nobody, "invoke", "read", last.key),
                Event(last.index + 2, last.time + 2, nobody, "ok", "read", last.key, value),
            ]
            verdicts = {
                Linearizable(self.model, initial=start).check(History.of(probe), _PROBE).verdict
                for start in key.starts
            }
            if verdicts != {Verdict.INVALID}:
                possible.append(value)
        key.starts = possible
        # What may still happen stays; that it may have happened already, and does so again, only permits more.
        key.events = [
            event
            for call, end in operations
            if end is not None and end.type == "info" and call.f != "read"
            for event in (call, end)
        ]


_Pair = tuple[Event, Event | None]


def _operations(events: Sequence[Event]) -> list[_Pair]:
    found: list[list[Any]] = []
    asked: dict[int | str, list[Any]] = {}
    for event in events:
        if event.type == "invoke":
            pair = [event, None]
            found.append(pair)
            asked[event.process] = pair
        elif event.process in asked:
            asked.pop(event.process)[1] = event
    return [(call, end) for call, end in found]


def _left(call: Event) -> Any:
    return call.value[1] if call.f == "cas" else call.value


def _happened(pair: _Pair) -> bool:
    return pair[1] is not None and pair[1].type == "ok"


def _unique(operations: Sequence[_Pair], initial: Any) -> bool:
    seen = {msgspec.json.encode(initial)}
    for call, end in operations:
        if call.f == "read" or (end is not None and end.type == "fail"):
            continue
        text = msgspec.json.encode(_left(call))
        if text in seen:
            return False
        seen.add(text)
    return True


def _overwritten(operations: Sequence[_Pair]) -> set[int]:
    """The indexes of all events of values that can never be there again, refused operations and unknown reads.

    Values tied by compare-and-sets stand or fall together. They are gone if a write outside was called after one of
    their operations had returned, and had returned itself before every open operation was called; then any later
    sight of them contradicts real time, whatever else happens.
    """
    tied = _Tied()
    members: dict[bytes, list[_Pair]] = {}
    forgotten: list[_Pair] = []
    for call, end in operations:
        if end is not None and (end.type == "fail" or (call.f == "read" and end.type == "info")):
            forgotten.append((call, end))
        elif call.f == "cas":
            tied.join(*map(msgspec.json.encode, call.value))
    for call, end in operations:
        if call.f != "read" or _happened((call, end)):
            value = end.value if call.f == "read" and end is not None else _left(call)
            members.setdefault(tied.root(msgspec.json.encode(value)), []).append((call, end))
    since = min((call.time for call, end in operations if end is None), default=None)
    writes = [
        (call.time, tied.root(msgspec.json.encode(call.value)))
        for call, end in operations
        if call.f == "write" and end is not None and end.type == "ok" and (since is None or end.time < since)
    ]
    # The latest call of a settled write, and the latest of another group.
    best = max(writes, default=(-1, b""))
    second = max((time for time, root in writes if root != best[1]), default=-1)
    for root, group in members.items():
        first = min((end.time for _, end in group if end is not None and end.type == "ok"), default=None)
        still = any(end is None or (call.f == "write" and end.type == "info") for call, end in group)
        over = best[0] if best[1] != root else second
        if not still and first is not None and first < over:
            forgotten += group
    return {event.index for pair in forgotten for event in pair if event is not None}


class _Tied:
    """Values in groups."""

    def __init__(self) -> None:
        self._above: dict[bytes, bytes] = {}

    def root(self, value: bytes) -> bytes:
        while value in self._above:
            value = self._above[value]
        return value

    def join(self, one: bytes, other: bytes) -> None:
        one, other = self.root(one), self.root(other)
        if one != other:
            self._above[one] = other
