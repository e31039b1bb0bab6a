"""What a model with its own rule is, and what its rule sees of a history."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from quorate.checkers.replies import confirmed
from quorate.checkers.words import moment, say
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict, proven
from quorate.harness.history import Event, History, Operation
from quorate.harness.history.columns import INVOKE

_TOLD_MAX: Final = 20
_LOOK_EVERY: Final = 4096
_ENGINE: Final = "rule"


class Asked(msgspec.Struct, frozen=True):
    """What the caller states: the `initial` value (None: not stated) and the model's own `settings`."""

    initial: Any = None
    settings: Mapping[str, str] = {}

    def yes(self, name: str) -> bool:
        """Whether a setting is switched on."""
        return self.settings.get(name, "no") in {"yes", "true", "1"}


class Foreign(Exception):  # noqa: N818 - not an error of the program: the history is not of this model
    """An operation is not of this model; the text says which, and what would be."""

    def __init__(self, event: Event, wanted: str) -> None:
        super().__init__(f"event {event.index}: {event.f} {say(event.value)} is not {wanted}")


class OutOfTimeError(Exception):
    """The time that the caller allowed is over."""


class Found(msgspec.Struct, frozen=True):
    """What a rule found. `missing` says why finding nothing proves nothing, where that is so."""

    anomalies: Sequence[Anomaly] = ()
    missing: str = ""
    stats: Mapping[str, Any] = {}


class Seen:
    """The clients' operations of a history, and the clock of the check."""

    def __init__(self, history: History, deadline: float) -> None:
        self.history = history
        self._deadline = deadline
        self._ranks: dict[int, int] = {}
        times = history.columns.time
        self.timed = len(times) > 0 and int(times[0]) != int(times[-1])

    def operations(self, *functions: str) -> Iterator[Operation]:
        """Yield operations of these functions (all, if none is named) in the order of their invocations."""
        for count, operation in enumerate(self.history.operations()):
            if count % _LOOK_EVERY == 0:
                self.look()
            if not functions or operation.invoke.f in functions:
                yield operation

    def succeeded(self, *functions: str) -> Iterator[tuple[Operation, Event]]:
        """Yield what succeeded, with the completion."""
        for operation in self.operations(*functions):
            if operation.completion is not None and operation.outcome == "ok":
                yield operation, operation.completion

    def before(self, ended: Event, called: Event) -> bool:
        """Whether a completion certainly came before an invocation: not where their times tie, which orders nothing."""
        return self._moment(ended) < self._moment(called)

    def moments(self) -> Iterator[list[Event]]:
        """Yield the events of each moment: those in a row whose times are equal."""
        for _, events in itertools.groupby(self.history.events(), lambda event: event.time):
            yield list(events)

    def _moment(self, event: Event) -> int:
        if not self._ranks:
            times = self.history.columns.time
            ranks = np.concatenate([[0], np.cumsum(np.diff(times) != 0)])
            self._ranks = dict(zip(self.history.columns.index.tolist(), ranks.tolist(), strict=True))
        return self._ranks[event.index]

    def look(self) -> None:
        """Raise `OutOfTimeError` where the time is over."""
        if time.monotonic() > self._deadline:
            raise OutOfTimeError

    def when(self, event: Event) -> str:
        """`at 1.234 s`, or `in event 3` of a history without times."""
        return moment(event.time, event.index, timed=self.timed)


class ObjectModel(msgspec.Struct, frozen=True):
    """A model: what it is called, the functions it knows, and the rule that judges it.

    `rule(seen, asked)` returns what it found; it raises `Foreign` for an operation that is not of the model.
    `settings` are names and explanations of what `--set` can change; `takes_initial` says that `--initial` means
    something to it. A model that is searched rather than ruled gives `judge` instead.
    """

    name: str
    about: str
    functions: frozenset[str]
    guarantee: str
    rule: Callable[[Seen, Asked], Found] = lambda _seen, _asked: Found()
    judge: Callable[[History, Limits, Asked], Result] | None = None
    settings: Mapping[str, str] = {}
    takes_initial: bool = False

    def check(self, history: History, limits: Limits, asked: Asked | None = None) -> Result:
        """Judge; keeps the time given; never raises for a bad history."""
        asked = asked or Asked()
        found = (
            self.judge(history, limits, asked)
            if self.judge is not None
            else self._ruled(history, limits, asked)
        )
        result = confirmed(found, history, model=self.name, initial=asked.initial)
        if result.verdict is not Verdict.INVALID or result.confirmed_by or self.judge is not None:
            return result
        reason = f"{result.reason}, which by its definition is not certain; this is a bug in the rule, please report it"
        return msgspec.structs.replace(result, verdict=Verdict.UNKNOWN, reason=reason)

    def _ruled(self, history: History, limits: Limits, asked: Asked) -> Result:
        started, cpu = time.perf_counter(), time.process_time()
        seen = Seen(history, time.monotonic() + limits.search_s)
        try:
            self._known(seen)
            found = self.rule(seen, asked)
        except Foreign as foreign:
            found = Found(missing=str(foreign))
        except OutOfTimeError:
            found = Found(missing="time limit")
        verdict = Verdict.INVALID if found.anomalies else Verdict.UNKNOWN if found.missing else Verdict.VALID
        count = len(found.anomalies)
        columns = history.columns
        return proven(
            Result(
                guarantee=self.guarantee,
                verdict=verdict,
                engine=_ENGINE,
                model=self.name,
                reason=f"{count} violations" if count > 1 else "one violation" if count else found.missing,
                operations=int(((columns.process >= 0) & (columns.kind == INVOKE)).sum()),
                anomalies=list(found.anomalies)[:_TOLD_MAX],
                time_s=time.perf_counter() - started,
                cpu_s=time.process_time() - cpu,
                stats=found.stats,
            ),
            history,
        )

    def _known(self, seen: Seen) -> None:
        for operation in seen.operations():
            if operation.invoke.f not in self.functions:
                raise Foreign(operation.invoke, f"one of {self.name}'s: {', '.join(sorted(self.functions))}")


def anomaly(name: str, sentence: str, culprit: Operation, *others: Operation) -> Anomaly:
    """Make the anomaly that one operation shows together with others: these are the minimal sub-history."""
    events = {
        event.index
        for one in (culprit, *others)
        for event in (one.invoke, one.completion)
        if event is not None
    }
    return Anomaly(
        name=name,
        sentence=sentence,
        key=culprit.invoke.key,
        events=sorted(events),
        culprit=culprit.invoke.index,
    )
