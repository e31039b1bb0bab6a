"""The just-in-time search over a user's model: a small one, in Python.

Exact, or narrow: with a width no more than so many configurations are kept at each return, the cheapest. What a narrow
search finds is an order; where it finds none, nothing is known.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.checkers.custom.model import Looks, Model
from quorate.harness.core.verdict import Limits, Verdict
from quorate.harness.history import Event

# A configuration: state, what took effect (open operations whose outcome is known; counts by class of the others).
_Used = frozenset[tuple[int, int]]
_Config = tuple[Any, frozenset[int], _Used]
_LOOK_EVERY: Final = 64
_PAGE: Final = 4096


class Operation(msgspec.Struct, frozen=True):
    """One operation: positions of its events (no end: unknown outcome), and its class by what it does."""

    call: int
    end: int | None
    event: Event
    result: Any
    kind: int
    looks: bool = False

    @classmethod
    def of(
        cls, call: int, end: int | None, event: Event, result: Any, looks: Looks | None = None
    ) -> Operation:
        """Make one; equal kinds do the same. `looks` is the model's."""
        kind = hash(msgspec.json.encode([event.f, event.value, result, end is None]))
        return cls(call, end, event, result, kind, looks is not None and looks(event.f, event.value))

    def weaker(self) -> Operation:
        """Return the same with nothing known of its outcome."""
        return Operation.of(self.call, None, self.event, None)


class Budget:
    """Time and memory of a whole check. The memory of the process is what counts: states are the user's own objects."""

    def __init__(self, limits: Limits) -> None:
        self.deadline = time.perf_counter() + limits.search_s
        self._ceiling = _resident() + limits.memory_bytes
        self._steps = 0

    def over(self, deadline: float = float("inf")) -> str:
        """Return the limit that was hit, if any; `deadline` is an earlier one."""
        if time.perf_counter() > min(self.deadline, deadline):
            return "time limit"
        self._steps += 1
        full = self._steps % _LOOK_EVERY == 0 and _resident() > self._ceiling
        return "memory limit" if full else ""


def _resident() -> int:
    """Bytes of the process in memory; 0 where the system does not report them."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


class Search:
    """Keep what may be the case; at each return only that in which the operation took effect."""

    def __init__(
        self,
        model: Model,
        operations: Sequence[Operation],
        budget: Budget,
        deadline: float = float("inf"),
        width: int | None = None,
    ) -> None:
        self.model = model
        self.operations = operations
        self.budget = budget
        self.deadline = deadline
        self.width = width
        """No more than so many are kept: an order that is found is one, and finding none says nothing."""
        self.explained = 0
        self.reason = ""
        self.changing: set[int] = set()
        """Kinds of operations that changed a state that was reached."""
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
            if not following and self.width is not None:
                self.reason = "no order among the few that were looked at"
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
            if any(following != state for following in known):
                self.changing.add(operation.kind)
        return known

    def _expand(self, frontier: set[_Config], goal: int) -> Collection[_Config] | None:
        results = _Front()
        reached = _Front()
        work = _Work(self._cost if self.width is not None else None)
        for config in map(self._looked, frontier):
            if goal in config[1]:
                results.admit(config)
            elif reached.admit(config):
                work.put(config)
        while work.waits() and (self.width is None or results.count < self.width):
            self.reason = self.budget.over(self.deadline)
            if self.reason:
                return None
            for config in map(self._looked, self._moves(work.get())):
                if goal in config[1]:
                    results.admit(config)
                elif reached.admit(config):
                    work.put(config)
        found = results.configs()
        return found if self.width is None else sorted(found, key=self._cost)[: self.width]

    def _cost(self, config: _Config) -> tuple[int, int, int]:
        """What was used up that may be needed later, changes of unknown outcome first; what only looks never is."""
        _, done, used = config
        changes = sum(not self.operations[number].looks for number in done)
        return sum(count for _, count in used), changes, changes - len(done)

    def _looked(self, config: _Config) -> _Config:
        """The same with every open operation done that only looks, and fits: whatever follows is possible then, too."""
        if self.model.looks is None:
            return config
        state, done, used = config
        fits = [
            number
            for number in self._open
            if number not in done and self.operations[number].looks and self._step(state, number) == [state]
        ]
        return (state, done.union(fits), used) if fits else config

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


class _Work:
    """Configurations to extend: in turn, or the cheapest first where a cost is given."""

    def __init__(self, cost: Callable[[_Config], tuple[int, int, int]] | None) -> None:
        self._cost = cost
        self._heap: list[tuple[tuple[int, int, int], int, _Config]] = []
        self._queue: deque[_Config] = deque()
        self._count = itertools.count()

    def put(self, config: _Config) -> None:
        if self._cost is not None:
            heapq.heappush(self._heap, (self._cost(config), next(self._count), config))
        else:
            self._queue.append(config)

    def waits(self) -> bool:
        return bool(self._heap or self._queue)

    def get(self) -> _Config:
        return self._queue.popleft() if self._cost is None else heapq.heappop(self._heap)[2]


class _Front:
    """Configurations; with equal states and effects, having used fewer operations of unknown outcome is never worse."""

    def __init__(self) -> None:
        self._groups: dict[tuple[Any, frozenset[int]], list[_Used]] = {}
        self.count = 0

    def admit(self, config: _Config) -> bool:
        """Take it in unless one that is as good is there."""
        state, done, used = config
        group = self._groups.setdefault((state, done), [])
        counts = dict(used)
        if any(all(counts.get(kind, 0) >= count for kind, count in other) for other in group):
            return False
        group.append(used)
        self.count += 1
        return True

    def configs(self) -> set[_Config]:
        return {(state, done, used) for (state, done), group in self._groups.items() for used in group}
