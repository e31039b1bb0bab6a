"""Definitions of anomalies of weak reads: what a read showed, against what replies say of each version of its key.

A kind is the model's name and the anomaly's, as in `set: read went back`. Cannot confirm: `staler than promised`, for
the bound is a promise and stands in no reply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from quorate.checkers.replies_record import Case, Record, Reply

_UPDATES: Final = ("write", "cas", "add")
_MODELS: Final = ("register", "cas-register", "set", "counter")
# Sums of additions whose version is not known; more are not tried.
_SUMS_MAX: Final = 4096


class Change(NamedTuple):
    """An update that was not refused: when it was asked for, its version if a reply has it, what it left or added."""

    called: int
    version: int | None
    value: Any


def _changes(record: Record, key: Any) -> list[Change]:
    ends = {reply.call.index: reply.end for reply in record.replies}
    found = []
    for call in record.calls:
        end = ends.get(call.index)
        if call.f in _UPDATES and call.key == key and (end is None or end.type != "fail"):
            version = end.version if end is not None and end.type == "ok" else None
            found.append(Change(call.time, version, call.value[1] if call.f == "cas" else call.value))
    return found


def _reads(case: Case) -> list[Reply]:
    return [reply for reply in case.replies if reply.ok and reply.call.f == "read"]


def _session(reply: Reply) -> tuple[Any, Any]:
    who = reply.end.session if reply.end.session is not None else reply.end.process
    return who, reply.call.key


def _version(record: Record, model: str, reply: Reply) -> int | None:
    """The version that a reply has, else that of the newest update which it certainly shows."""
    if reply.end.version is not None or reply.call.f != "read":
        return reply.end.version
    changes = _changes(record, reply.call.key)
    if model == "set":
        return max((one.version or 0 for one in changes if one.value in (reply.end.value or ())), default=0)
    left = [one.version for one in changes if one.value == reply.end.value]
    return left[0] if model != "counter" and len(left) == 1 else None


def _went_back(record: Record, case: Case, *, model: str) -> bool:
    """A session was shown an older state than before."""
    return any(_older(record, model, one, other) for one, other in case.pairs if one.call.f == "read")


def _unseen(record: Record, case: Case, *, model: str) -> bool:
    """A session was not shown what it had written itself."""
    return any(_older(record, model, one, other) for one, other in case.pairs if one.call.f in _UPDATES)


def _older(record: Record, model: str, one: Reply, other: Reply) -> bool:
    """Whether the second, a read by the same session after the first, shows an older state."""
    if other.call.f != "read" or _session(one) != _session(other) or one.end.index > other.call.index:
        return False
    before, after = _version(record, model, one), _version(record, model, other)
    return before is not None and after is not None and after < before


def _never_was(record: Record, case: Case, *, model: str) -> bool:
    """No beginning of the key's updates, and none of those of unknown version, leaves what a read shows."""
    for reply in _reads(case):
        changes = [one for one in _changes(record, reply.call.key) if one.called < reply.end.time]
        told = sorted((one.version, at) for at, one in enumerate(changes) if one.version is not None)
        order = [changes[at] for _, at in told]
        loose = [one for one in changes if one.version is None]
        at = reply.end.version
        places = range(len(order) + 1) if at is None else [sum(version <= at for version, _ in told)]
        fits = {"set": _set, "counter": _counter}.get(model, _register)
        if not any(fits(reply.end.value, order[:place], loose) for place in places):
            return True
    return False


def _register(value: Any, before: list[Change], loose: list[Change]) -> bool:
    left = before[-1].value if before else None
    return bool(value == left) or any(value == one.value for one in loose)


def _set(value: Any, before: list[Change], loose: list[Change]) -> bool:
    held, sure = set(value or ()), {one.value for one in before}
    return sure <= held <= sure | {one.value for one in loose}


def _counter(value: Any, before: list[Change], loose: list[Change]) -> bool:
    sums = {sum(one.value for one in before)}
    for one in loose:
        sums |= {total + one.value for total in sums}
        if len(sums) > _SUMS_MAX:
            return True
    return (value or 0) in sums


_BY_NAME: Final = {
    "state that never was": _never_was,
    "read went back": _went_back,
    "own write unseen": _unseen,
}
DEFINITIONS: Final[Mapping[str, Callable[[Record, Case], bool]]] = {
    f"{model}: {name}": partial(definition, model=model)
    for model in _MODELS
    for name, definition in _BY_NAME.items()
}
