"""A counterexample of transactions that stands by itself: judged alone it shows the anomaly by the same name.

The transactions of an anomaly are few, but what proves it may stand in others: who wrote what they read, and who read
the order of two writes. These are added, and then left out again one after the other where the rest still shows the
anomaly and nothing that the whole does not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from quorate.checkers.names import CONSISTENCY_MODELS
from quorate.checkers.transactions import MODELS, STRICTEST, Transactions
from quorate.harness.core import counterexample
from quorate.harness.core.evidence import Cycle
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict
from quorate.harness.history import Event, History, Operation

# How long to leave out what is not needed.
_SHRINK_S: Final = 2.0
# Of longer histories the anomaly's own transactions are all there is: the others would take too long to read.
_EVENTS_MAX: Final = 400_000
_MOP: Final = 3


def encoded(history: History, result: Result, anomaly: Anomaly) -> bytes:
    """The anomaly's counterexample in the exchange format, of transactions or of anything else."""
    if result.model not in MODELS or not isinstance(anomaly.detail, Cycle) or len(history) > _EVENTS_MAX:
        return counterexample.encoded(history, anomaly)
    whole = _Whole(history, result, anomaly)
    chosen = whole.enough()
    if chosen is None:
        return counterexample.encoded(history, anomaly)
    return b"".join(msgspec.json.encode(event) + b"\n" for event in whole.events(chosen))


def _text(*values: Any) -> bytes:
    return msgspec.json.encode(values)


class _Whole:
    """The transactions of a history, by number, with what each read of whom."""

    def __init__(self, history: History, result: Result, anomaly: Anomaly) -> None:
        self._operations = [one for one in history.operations() if one.invoke.process != "nemesis"]
        expect = result.guarantee if result.guarantee in CONSISTENCY_MODELS else STRICTEST
        self._checker = Transactions("rw" if result.model == "rw" else "append", expect)
        self._name = anomaly.name
        self._allowed = {one.name for one in result.anomalies} | set(result.stats.get("tolerated", ()))
        self._until = time.monotonic() + _SHRINK_S
        numbers = {one.invoke.index: number for number, one in enumerate(self._operations)}
        shown = set(anomaly.events)
        self._core = {numbers[index] for index in shown if index in numbers}
        self._writers = {
            _text(key, value): number
            for number, one in enumerate(self._operations)
            for f, key, value in _mops(one.invoke)
            if f != "r"
        }
        self._keys = (
            {_text(step.key) for step in anomaly.detail.cycle} if isinstance(anomaly.detail, Cycle) else set()
        )
        self._keys.add(_text(anomaly.key))

    def events(self, chosen: set[int]) -> list[Event]:
        """The events of these transactions, in order."""
        found = [self._operations[number] for number in chosen]
        events = [event for one in found for event in (one.invoke, one.completion) if event is not None]
        return sorted(events, key=lambda event: event.index)

    def enough(self) -> set[int] | None:
        """Few transactions that show the anomaly by themselves; None where none were found in the time given."""
        readers = {
            number
            for number, one in enumerate(self._operations)
            if any(_text(key) in self._keys for _, key, _ in _seen(one))
        }
        everything = set(range(len(self._operations)))
        for start in (self._core, self._core | readers, everything):
            chosen = self._with_writers(start)
            if self._shows(chosen):
                return self._fewer(chosen)
            if time.monotonic() > self._until:
                return None
        return None

    def _with_writers(self, start: set[int]) -> set[int]:
        chosen, todo = set(start), list(start)
        while todo:
            for writer in self._sources(todo.pop()):
                if writer not in chosen:
                    chosen.add(writer)
                    todo.append(writer)
        return chosen

    def _sources(self, number: int) -> Iterator[int]:
        """Who wrote what this transaction saw."""
        for _, key, value in _seen(self._operations[number]):
            for element in value if isinstance(value, list) else [value]:
                writer = self._writers.get(_text(key, element))
                if writer is not None:
                    yield writer

    def _fewer(self, chosen: set[int]) -> set[int]:
        """Leave out halves, quarters and so on of what is not of the anomaly itself, with all who saw their writes."""
        size = len(chosen)
        while size > 0 and time.monotonic() < self._until:
            spare = sorted(chosen - self._core)
            size = min(size, len(spare))
            for at in range(0, len(spare), max(1, size)):
                rest = self._without(chosen, set(spare[at : at + size]))
                if self._core <= rest < chosen and self._shows(rest):
                    chosen = rest
                if time.monotonic() > self._until:
                    break
            size //= 2
        return chosen

    def _without(self, chosen: set[int], gone: set[int]) -> set[int]:
        rest = chosen - gone
        while lost := {number for number in rest if any(one not in rest for one in self._sources(number))}:
            rest -= lost
        return rest

    def _shows(self, chosen: set[int]) -> bool:
        limits = Limits(time_s=max(0.1, self._until - time.monotonic()))
        result = self._checker.check(History.of(self.events(chosen)), limits)
        names = {one.name for one in result.anomalies}
        return result.verdict is Verdict.INVALID and self._name in names <= self._allowed


def _mops(event: Event) -> Iterator[tuple[str, Any, Any]]:
    for one in event.value if isinstance(event.value, list) else ():
        if isinstance(one, list) and len(one) == _MOP:
            yield one[0], one[1], one[2]


def _seen(one: Operation) -> list[tuple[str, Any, Any]]:
    """What a transaction that succeeded read."""
    if one.completion is None or one.outcome != "ok":
        return []
    return [mop for mop in _mops(one.completion) if mop[0] == "r" and mop[2] is not None]
