"""What a foreign history says in two ways: where one of them decides that it is invalid, it is `unknown`.

A read of a set that answers null saw an empty set, or nothing came back. A refused compare-and-set that carries a
number which no client wrote saw that number, or carries the code of an error. Locks that are asked for by several names
are several locks, or one whose clients say something about themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
import numpy as np

from quorate.checkers.normal import distinct
from quorate.harness.core.verdict import Result, Verdict
from quorate.harness.history import Event, History
from quorate.harness.history.columns import FAIL, INVOKE, NEMESIS_PROCESS, NONE, OK

_LOCKS: Final = frozenset({"acquire", "release"})
_TWO: Final = 2


class Doubt(msgspec.Struct, frozen=True):
    """The events (by index) that may mean something else, the history as it is then, and the doubt in words."""

    touched: frozenset[int]
    otherwise: Callable[[], Iterable[Event]]
    reason: str


def settled(history: History, model: str, result: Result, judge: Callable[[History], Result]) -> Result:
    """Return an invalid result, or what there is to say where it rests on what may mean something else."""
    find = _DOUBTS.get(model)
    doubt = find(history) if find and result.verdict is Verdict.INVALID else None
    if doubt is None or not any(doubt.touched.intersection(one.events) for one in result.anomalies):
        return result
    other = History.of(doubt.otherwise())
    other.timed = history.timed
    again = judge(other)
    if again.verdict is Verdict.INVALID:
        return again
    return msgspec.structs.replace(again, verdict=Verdict.UNKNOWN, reason=doubt.reason)


def _without(history: History, touched: frozenset[int]) -> Iterable[Event]:
    """The events, but with nothing known of what these answered."""
    for event in history.events():
        yield msgspec.structs.replace(event, type="info", value=None) if event.index in touched else event


def _silent(history: History) -> Doubt | None:
    """Reads of a set that answered null."""
    columns = history.columns
    reads = [handle for handle in distinct(columns.f) if columns.text(handle) == "read"]
    chosen = np.isin(columns.f, reads) & (columns.kind == OK) & (columns.value == 0)
    silent = frozenset(columns.index[chosen].tolist())
    if not silent:
        return None
    reason = (
        f"{len(silent)} reads answered null, which may mean an empty set or no answer: "
        "taken as empty sets they contradict the rest"
    )
    return Doubt(silent, lambda: _without(history, silent), reason)


def _codes(history: History) -> Doubt | None:
    """Refused compare-and-sets that carry a number which no client wrote, and no error beside it.

    What a run of ours carries was seen, and so is what stands beside an error.
    """
    columns = history.columns
    refused = np.flatnonzero(
        (columns.kind == FAIL) & (columns.pair != NONE) & (columns.value != 0) & (columns.error == 0)
    )
    if history.own or not len(refused):
        return None
    refused = refused[columns.value[refused] != columns.value[columns.pair[refused]]]
    cas = [handle for handle in distinct(columns.f) if columns.text(handle) == "cas"]
    refused = refused[np.isin(columns.f[refused], cas)]
    written = _written(history)
    numbers = [columns.text(handle) for handle in np.unique(columns.value[refused]).tolist()]
    odd = [one for one in numbers if _is_number(one) and one not in written]
    if not odd:
        return None
    touched = frozenset(
        int(columns.index[at]) for at in refused.tolist() if columns.text(columns.value[at]) in odd
    )
    reason = (
        f"{len(touched)} refused cas carry a number that no client wrote (as {odd[0]}), which may be what was seen or "
        "the code of an error: taken as what was seen they contradict the rest"
    )
    return Doubt(touched, lambda: _without(history, touched), reason)


def _written(history: History) -> set[Any]:
    """The numbers that clients asked to write, 0 where nothing was."""
    columns = history.columns
    asked = (columns.kind == INVOKE) & (columns.process != NEMESIS_PROCESS)
    found: set[Any] = set()
    for handle in distinct(columns.f[asked]):
        name = columns.text(handle)
        if name not in {"write", "cas"}:
            continue
        values = columns.texts(np.unique(columns.value[asked & (columns.f == handle)])).tolist()
        pairs = [one for one in values if isinstance(one, list) and len(one) == _TWO]
        found |= {one for pair in pairs for one in pair if _is_number(one)} if name == "cas" else set()
        found |= {one for one in values if _is_number(one)}
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _names(history: History) -> Doubt | None:
    """Locks asked for by several names, of which some client shares one with another."""
    users: dict[Any, set[int | str]] = {}
    keyless = True
    for event in history.events():
        if event.type == "invoke" and event.f in _LOCKS and event.process != "nemesis":
            keyless &= event.key is None
            if isinstance(event.value, str | int) and not isinstance(event.value, bool):
                users.setdefault(event.value, set()).add(event.process)
    if not keyless or len(users) < _TWO or max(map(len, users.values())) < _TWO:
        return None
    names = " and ".join(map(repr, sorted(users, key=repr)[:_TWO]))
    reason = (
        f"acquire and release carry values ({names}) that may name several locks: taken as one lock they contradict; "
        "give each lock its own key"
    )
    touched = frozenset(event.index for event in history.events() if event.f in _LOCKS)
    return Doubt(touched, lambda: _by_name(history), reason)


def _by_name(history: History) -> Iterable[Event]:
    """The events with the lock's name as the key; a release without one gives back what its process took last."""
    last: dict[int | str, Any] = {}
    for event in history.events():
        if event.f not in _LOCKS or event.process == "nemesis":
            yield event
            continue
        if event.type == "invoke" and event.value is not None:
            last[event.process] = event.value
        yield msgspec.structs.replace(event, key=last.get(event.process))


_DOUBTS: Final[Mapping[str, Callable[[History], Doubt | None]]] = {
    "set": _silent,
    "register": _codes,
    "cas-register": _codes,
    "lock": _names,
    "fenced-lock": _names,
}
