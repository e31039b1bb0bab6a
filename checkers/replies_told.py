"""Definitions of anomalies of long polls and of agents' catalogues: what was shown, against what anybody asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from quorate.checkers.replies_record import Case, Record, Reply


def _answers(case: Case) -> Iterator[tuple[Reply, int, Mapping[str, Any]]]:
    """What the polls showed: the reply, the index of each answer, and its names with value and version."""
    for reply in case.replies:
        if reply.ok and reply.call.f == "poll":
            for answer in reply.end.value["answers"]:
                yield reply, answer["index"], answer["entries"]


def _not_written(record: Record, case: Case) -> bool:
    """A poll shows a value that no client wrote, or only one that was refused; or another than its version had."""
    ends = {reply.call.index: reply.end for reply in record.replies}
    may: set[tuple[Any, Any]] = set()
    had: dict[tuple[Any, int], list[Any]] = {}
    for call in record.calls:
        end = ends.get(call.index)
        if call.f != "set":
            continue
        if end is None or end.type != "fail":
            may.add((call.key, call.value))
        if end is not None and end.type == "ok" and end.version is not None and call.value is not None:
            had.setdefault((call.key, end.version), []).append(call.value)
    for _, _, entries in _answers(case):
        for name, (value, version) in entries.items():
            seen = had.setdefault((name, version), [])
            if (name, value) not in may or any(other != value for other in seen):
                return True
            seen.append(value)
    return False


def _below(record: Record, case: Case) -> bool:
    """An answer shows a change of a later index than its own."""
    del record
    return any(version > index for _, index, entries in _answers(case) for _, version in entries.values())


def _two_states(record: Record, case: Case) -> bool:
    """Two answers to one question show different states at one index."""
    del record
    states: dict[tuple[Any, int], Mapping[str, Any]] = {}
    return any(
        states.setdefault((reply.end.key, index), entries) != entries
        for reply, index, entries in _answers(case)
    )


def _not_announced(record: Record, case: Case) -> bool:
    """A catalogue has a service that was never registered so."""
    asked = {(call.key, call.value) for call in record.calls if call.f == "announce"}
    looks = [reply.end.value for reply in case.replies if reply.call.f in ("compare", "settle")]
    return any(
        (service, value) not in asked
        for look in looks
        if isinstance(look, dict)
        for service, value in look["catalog"].items()
    )


DEFINITIONS: Final[Mapping[str, Callable[[Record, Case], bool]]] = {
    "poll shows what was not written": _not_written,
    "index below what it shows": _below,
    "one index, two states": _two_states,
    "catalogue shows what was not announced": _not_announced,
}
