"""A user's own model in Python, judged by the same just-in-time search as the built-in ones.

>>> from checkers.custom import Model, check_custom
>>> from harness.history import Event
>>> def step(state, f, argument, result, known):
...     if f == "set":
...         return [argument]
...     return [state] if not known or result == state else []
>>> events = [
...     Event(0, 0, 1, "invoke", "set", None, 3), Event(1, 1, 1, "ok", "set", None, 3),
...     Event(2, 2, 2, "invoke", "get"), Event(3, 3, 2, "ok", "get", None, 4),
... ]
>>> check_custom(events, Model(name="box", initial=None, step=step)).verdict.value
'invalid'
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, Final

import msgspec

from harness.history import Event, History
from harness.history.columns import FAIL, INFO, NONE
from harness.verdict import Anomaly, Limits, Result, Verdict

# A configuration: state, what took effect (open operations whose outcome is known; counts by class of the others).
_Used = frozenset[tuple[int, int]]
_Config = tuple[Any, frozenset[int], _Used]
_BYTES_PER_CONFIG: Final = 600
_BYTES_PER_MB: Final = 1e6


class Model(msgspec.Struct, frozen=True):
    """A sequential object.

    `step(state, f, argument, result, known)` returns every state that can follow, none where the operation cannot
    happen; `known` is False where nobody knows the outcome (then `result` is None). `hash` makes a state hashable
    where it is not; equal hashes must mean equal states. `describe` puts an operation into words.
    """

    name: str
    initial: Any
    step: Callable[[Any, str, Any, Any, bool], Iterable[Any]]
    hash: Callable[[Any], Hashable] | None = None
    describe: Callable[[str, Any, Any], str] | None = None


class _Operation(msgspec.Struct, frozen=True):
    call: int
    end: int | None
    event: Event
    result: Any
    kind: int


def check_custom(source: History | Iterable[Event], model: Model, limits: Limits | None = None) -> Result:
    """Judge each key of a history by a user's model. Limits as everywhere: hitting one is `unknown`."""
    history = source if isinstance(source, History) else History.of(source)
    limits = limits or Limits()
    started = time.perf_counter()
    parts: dict[str, str] = {}
    anomalies: list[Anomaly] = []
    reason, operations = "", 0
    for key, part in _parts(history).items():
        search = _Search(model, part, started + limits.time_s, limits.memory_bytes)
        verdict, stuck = search.run()
        operations += len(part)
        parts[key] = verdict.value
        if verdict is Verdict.UNKNOWN:
            reason = f"{search.reason} ({search.explained} of {len(part)} operations explained)"
        if stuck is not None:
            anomalies.append(_anomaly(history, model, part, stuck))
    worst = Verdict.INVALID if anomalies else Verdict.UNKNOWN if reason else Verdict.VALID
    return Result(
        guarantee="linearizable",
        verdict=worst,
        engine="python-search",
        model=model.name,
        reason=reason,
        operations=operations,
        anomalies=anomalies,
        time_s=time.perf_counter() - started,
        parts={key: verdict for key, verdict in parts.items() if verdict != Verdict.VALID.value},
    )


def _parts(history: History) -> dict[str, list[_Operation]]:
    """Operations by key, in the order of their invocations. Positions are moments: ties are in the order recorded."""
    columns = history.columns
    parts: dict[str, list[_Operation]] = {}
    for operation in history.operations():
        at = history.position(operation.invoke.index)
        pair = columns.pair[at]
        end = None if pair == NONE or columns.kind[pair] == INFO else int(pair)
        if end is not None and columns.kind[end] == FAIL:
            continue
        event = operation.invoke
        result = None if end is None or operation.completion is None else operation.completion.value
        kind = hash(msgspec.json.encode([event.f, event.value, result, end is None]))
        key = msgspec.json.encode(event.key).decode()
        parts.setdefault(key, []).append(_Operation(at, end, event, result, kind))
    return parts


class _Search:
    """Keep what may be the case; at each return only that in which the operation took effect."""

    def __init__(self, model: Model, operations: Sequence[_Operation], deadline: float, memory: int) -> None:
        self.model = model
        self.operations = operations
        self.deadline = deadline
        self.most = max(1000, memory // _BYTES_PER_CONFIG)
        self.explained = 0
        self.reason = ""
        self._states: dict[Hashable, Any] = {}
        self._memo: dict[tuple[Hashable, int], list[Hashable]] = {}
        self._open: list[int] = []
        self._loose: dict[int, list[int]] = {}

    def run(self) -> tuple[Verdict, int | None]:
        """The verdict, and where it is invalid the operation whose return nothing explains."""
        moments = [(operation.call, 0, number) for number, operation in enumerate(self.operations)]
        moments += [(one.end, 1, number) for number, one in enumerate(self.operations) if one.end is not None]
        nothing: frozenset[int] = frozenset()
        frontier: set[_Config] = {(self._name(self.model.initial), nothing, frozenset())}
        for _, returned, number in sorted(moments):
            operation = self.operations[number]
            if not returned:
                if operation.end is None:
                    self._loose.setdefault(operation.kind, []).append(number)
                else:
                    self._open.append(number)
                    self._open.sort(key=lambda one: self.operations[one].end or 0)
                continue
            following = self._expand(frontier, number)
            if following is None:
                return Verdict.UNKNOWN, None
            if not following:
                return Verdict.INVALID, number
            self._open.remove(number)
            frontier = {(state, done - {number}, used) for state, done, used in following}
            self.explained += 1
        return Verdict.VALID, None

    def _name(self, state: Any) -> Hashable:
        name: Hashable = self.model.hash(state) if self.model.hash else state
        self._states.setdefault(name, state)
        return name

    def _step(self, state: Hashable, number: int) -> list[Hashable]:
        operation = self.operations[number]
        known = self._memo.get((state, operation.kind))
        if known is None:
            event, sure = operation.event, operation.end is not None
            states = self.model.step(self._states[state], event.f, event.value, operation.result, sure)
            known = self._memo[(state, operation.kind)] = [self._name(following) for following in states]
        return known

    def _expand(self, frontier: set[_Config], goal: int) -> set[_Config] | None:
        results = {config for config in frontier if goal in config[1]}
        work = [config for config in frontier if goal not in config[1]]
        seen = set(work)
        while work:
            if time.perf_counter() > self.deadline:
                self.reason = "time limit"
                return None
            if len(seen) + len(results) > self.most:
                self.reason = "memory limit"
                return None
            for config in self._moves(work.pop()):
                if goal in config[1]:
                    results.add(config)
                elif config not in seen:
                    seen.add(config)
                    work.append(config)
        return _undominated(results)

    def _moves(self, config: _Config) -> Iterable[_Config]:
        state, done, used = config
        tried = set()
        for number in self._open:
            kind = self.operations[number].kind
            if number in done or kind in tried:
                continue  # of equal open operations the one that returns first
            tried.add(kind)
            for following in self._step(state, number):
                yield following, done | {number}, used
        counts = dict(used)
        for kind, numbers in self._loose.items():
            count = counts.get(kind, 0)
            if count < len(numbers):
                for following in self._step(state, numbers[count]):
                    if following != state:
                        yield following, done, frozenset({**counts, kind: count + 1}.items())


def _undominated(configs: set[_Config]) -> set[_Config]:
    """With equal states and effects, having used fewer operations of unknown outcome is never worse."""
    groups: dict[tuple[Any, frozenset[int]], list[_Used]] = {}
    for state, done, used in sorted(configs, key=lambda config: sum(count for _, count in config[2])):
        kept = groups.setdefault((state, done), [])
        counts = dict(used)
        if not any(all(counts.get(kind, 0) >= count for kind, count in other) for other in kept):
            kept.append(used)
    return {(state, done, used) for (state, done), group in groups.items() for used in group}


def _anomaly(history: History, model: Model, part: Sequence[_Operation], stuck: int) -> Anomaly:
    bad = part[stuck]
    event, end = bad.event, bad.end
    words = f"{event.f} {event.value!r} answered {bad.result!r}"
    if model.describe:
        words = model.describe(event.f, event.value, bad.result)
    when = history.event(end).time if end is not None else event.time
    events = sorted(
        at for one in part if end is None or one.call < end for at in (one.call, one.end) if at is not None
    )
    columns = history.columns
    return Anomaly(
        name="no order",
        sentence=f"p{event.process} {words} at {when / 1e9:.3f} s, which no order of what came before explains",
        key=event.key,
        events=[int(columns.index[at]) for at in events if end is None or at <= end],
        culprit=event.index,
        detail={"minimal": False},
    )
