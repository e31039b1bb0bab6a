"""Other tools' names for what operations do, in quorate's words: `put`, `deq`, `decrement`, `drain` and so on.

A history that uses none of them is handed on as it is, at the cost of looking at its distinct functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from quorate.checkers.words import say
from quorate.harness.core.verdict import Result
from quorate.harness.history import Event, History
from quorate.harness.history.columns import INVOKE, OK, Handles

_REGISTER: Final = {
    "put": "write",
    "set": "write",
    "get": "read",
    "r": "read",
    "w": "write",
    "compare-and-set": "cas",
}
# By model: what others call a function, and what it is here.
RENAMED: Final[Mapping[str, Mapping[str, str]]] = {
    "register": _REGISTER,
    "cas-register": _REGISTER,
    "kv": {**_REGISTER, "del": "delete", "remove": "delete"},
    "queue": {"enq": "enqueue", "deq": "dequeue", "push": "enqueue", "pop": "dequeue"},
    "unordered-queue": {"enq": "enqueue", "deq": "dequeue", "push": "enqueue", "pop": "dequeue"},
    "total-queue": {"enq": "enqueue", "deq": "dequeue", "push": "enqueue", "pop": "dequeue"},
    "lock": {"lock": "acquire", "unlock": "release"},
    "fenced-lock": {"lock": "acquire", "unlock": "release"},
    "counter": {"inc": "increment", "get": "read"},
    "append": {"read": "txn", "write": "txn"},
    "rw": {"read": "txn", "write": "txn"},
}
_MICRO: Final = {"read": "r", "write": "w"}
_DECREMENTS: Final = frozenset({"decrement", "dec", "subtract"})
# These say by themselves what they do: by one, where no amount stands with them.
_STEPS: Final = _DECREMENTS | {"increment", "inc"}
_DRAINED: Final = frozenset({"queue", "unordered-queue"})
_LOCKS: Final = frozenset({"lock", "fenced-lock"})
_LOOKED_AT: Final = 200
_COUNTED_MAX: Final = 1 << 22


class Normal(msgspec.Struct, frozen=True):
    """A history in quorate's words; `origin` gives the original index of each event where they were renumbered.

    `notes` say what was taken to mean something.
    """

    history: History
    origin: list[int] | None = None
    notes: tuple[str, ...] = ()

    def restored(self, result: Result) -> Result:
        """Return the result with the original's indexes in its anomalies."""
        if self.origin is None:
            return result
        at = self.origin
        anomalies = [
            msgspec.structs.replace(
                one,
                events=sorted({at[index] for index in one.events}),
                culprit=None if one.culprit is None else at[one.culprit],
            )
            for one in result.anomalies
        ]
        return msgspec.structs.replace(result, anomalies=anomalies)


def functions_of(history: History) -> set[str]:
    """The distinct functions that clients called."""
    columns = history.columns
    asked = (columns.process >= 0) & (columns.kind == INVOKE)
    return {str(columns.text(handle)) for handle in distinct(columns.f[asked])}


def distinct(handles: Handles) -> list[int]:
    """The distinct handles, without sorting where they are small numbers, as those of functions are."""
    if len(handles) and int(handles.max()) < _COUNTED_MAX:
        return [int(handle) for handle in np.flatnonzero(np.bincount(handles))]
    return [int(handle) for handle in np.unique(handles)]


def normal(history: History, model: str) -> Normal:
    """Return the history in the words of this model."""
    functions = functions_of(history)
    renamed = {name: to for name, to in RENAMED.get(model, {}).items() if name in functions}
    if model == "counter" and (functions & _DECREMENTS or _bare_steps(history, functions)):
        return Normal(_mapped(history, lambda event: _stepped(event, renamed)))
    if model in _DRAINED and "drain" in functions:
        return _drained(history, renamed)
    if model in _LOCKS and (denied := _denied(history)):
        history = _mapped(history, lambda event: _failed(event, denied))
        note = f"{len(denied)} acquires or releases succeeded and answered false: taken as refused"
        return Normal(_mapped(history, lambda event: _named(event, renamed)), notes=(note,))
    if model in ("append", "rw") and (renamed or _long_names(history)):
        return Normal(_mapped(history, _transaction))
    return Normal(_mapped(history, lambda event: _named(event, renamed))) if renamed else Normal(history)


def _mapped(history: History, change: Callable[[Event], Event]) -> History:
    events = [event if event.process == "nemesis" else change(event) for event in history.events()]
    made = History.of(events)
    made.source, made.truncated, made.timed = history.source, history.truncated, history.timed
    made.own, made.notes = history.own, history.notes
    return made


def _denied(history: History) -> frozenset[int]:
    """The completions, by index, of operations on a lock that succeeded and answered false."""
    columns = history.columns
    done = (columns.kind == OK) & (columns.process >= 0)
    false = [handle for handle in distinct(columns.value[done]) if columns.text(handle) is False]
    return frozenset(columns.index[done & np.isin(columns.value, false)].tolist())


def _failed(event: Event, denied: Collection[int]) -> Event:
    return msgspec.structs.replace(event, type="fail", value=None) if event.index in denied else event


def _named(event: Event, renamed: Mapping[str, str]) -> Event:
    return msgspec.structs.replace(event, f=renamed[event.f]) if event.f in renamed else event


def _stepped(event: Event, renamed: Mapping[str, str]) -> Event:
    if event.f not in _STEPS:
        return _named(event, renamed)
    by = 1 if event.value is None and event.type == "invoke" else event.value
    if event.f in _DECREMENTS and isinstance(by, int | float) and not isinstance(by, bool):
        by = -by
    return msgspec.structs.replace(event, f="add", value=by)


def _bare_steps(history: History, functions: Collection[str]) -> bool:
    """Whether a counter is incremented without a word of how much."""
    columns = history.columns
    named = [handle for handle in distinct(columns.f) if str(columns.text(handle)) in _STEPS & set(functions)]
    bare = np.isin(columns.f, named) & (columns.kind == INVOKE) & (columns.value == 0)
    return bool(bare.any())


def _transaction(event: Event) -> Event:
    value = event.value
    if isinstance(value, list):
        value = [
            [_MICRO.get(one[0], one[0]), *one[1:]]
            if isinstance(one, list) and one and isinstance(one[0], str)
            else one
            for one in value
        ]
    f = "txn" if event.f in RENAMED["rw"] else event.f
    return msgspec.structs.replace(event, f=f, value=value)


def _long_names(history: History) -> bool:
    """Whether transactions write `read` and `write` where quorate writes `r` and `w`."""
    columns = history.columns
    for at in np.flatnonzero(columns.process >= 0)[:_LOOKED_AT].tolist():
        value = columns.text(columns.value[at])
        if isinstance(value, list):
            for one in value:
                if isinstance(one, list) and one and isinstance(one[0], str) and one[0] in _MICRO:
                    return True
    return False


def _drained(history: History, renamed: Mapping[str, str]) -> Normal:
    """Replace a drain by dequeues within its interval, by separate clients.

    There is one of each element that it answered, and one that found nothing, for a drain ends where nothing is left.
    Of a drain whose outcome is not known, or that does not list its elements, it is unknown what it took: as many
    dequeues of unknown outcome as there are elements that no other operation is known to have taken.
    """
    events = history.events()
    ends = {one.invoke.index: one.completion for one in history.operations() if one.invoke.f == "drain"}
    left = _left(history, renamed)
    free = max((event.process for event in events if isinstance(event.process, int)), default=0) + 1
    made: list[Event] = []
    origin: list[int] = []
    drainers: dict[int, list[tuple[int, Any]]] = {}

    def add(event: Event, **changes: Any) -> None:
        # Completions find their invocations by process: an index that was linked before is no longer right.
        made.append(msgspec.structs.replace(event, index=len(made), index_of_invoke=None, **changes))
        origin.append(event.index)

    closing = {end.index: index for index, end in ends.items() if end is not None}
    for event in events:
        if event.index in ends:
            end = ends[event.index]
            listed = end is not None and end.type == "ok" and isinstance(end.value, list)
            taken = [*end.value, None] if end is not None and listed else []
            failed = end is not None and end.type == "fail"
            drainers[event.index] = [(free + at, value) for at, value in enumerate(taken)]
            count = len(taken) if listed or failed else max(0, left[say(event.key, 1 << 30)])
            for at in range(count):
                add(event, process=free + at, f="dequeue", value=None)
            free += count
        elif event.index in closing:
            for process, value in drainers[closing[event.index]]:
                add(event, process=process, f="dequeue", value=value)
        else:
            add(event, **({"f": renamed[event.f]} if event.f in renamed else {}))
    drained = History.of(made)
    drained.timed, drained.own = history.timed, history.own
    return Normal(drained, origin)


def _left(history: History, renamed: Mapping[str, str]) -> Counter[str]:
    """By key: how many elements may have gone in that no operation is known to have taken out."""
    left: Counter[str] = Counter()
    for one in history.operations():
        key, f = say(one.invoke.key, 1 << 30), renamed.get(one.invoke.f, one.invoke.f)
        if f == "enqueue":
            left[key] += one.outcome != "fail"
        elif one.completion is not None and one.outcome == "ok" and one.completion.value is not None:
            value = one.completion.value
            left[key] -= (len(value) if isinstance(value, list) else 0) if f == "drain" else 1
    return left
