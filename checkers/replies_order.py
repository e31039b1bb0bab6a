"""Definitions of anomalies of order: versions, numbers and terms that go back or are given twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from quorate.checkers.replies_record import Case, Record, Reply

_ELECTED: Final = ("campaign", "crown")
_SAYING: Final = (*_ELECTED, "proclaim")


def _version_went_back(record: Record, case: Case) -> bool:
    """A reply carried a lower version than one that had come before it was asked for."""
    del record
    return any(
        one.before(other)
        and one.end.version is not None
        and other.end.version is not None
        and one.end.version > other.end.version
        for one, other in case.pairs
    )


def _number_went_back(record: Record, case: Case) -> bool:
    """The same of the number that was handed out."""
    del record
    return any(
        one.end.key == other.end.key and one.before(other) and one.end.value > other.end.value
        for one, other in case.pairs
    )


def _given_twice(record: Record, case: Case) -> bool:
    """Two calls were answered with one number of one key."""
    del record
    return any(
        one.end.key == other.end.key and one.end.value is not None and one.end.value == other.end.value
        for one, other in case.pairs
    )


def _term(reply: Reply) -> Any:
    """The term that a reply speaks of: a number, or [value, number] for who asked for the leader."""
    return reply.end.value[1] if reply.call.f == "leader" else reply.end.value


def _speaks(reply: Reply) -> bool:
    return reply.ok and reply.call.f in (*_SAYING, "leader")


def _terms_overlap(record: Record, case: Case) -> bool:
    """A word on a later term came before a word on an earlier one was asked for."""
    del record
    return any(
        _speaks(one)
        and _speaks(other)
        and one.call.key == other.call.key
        and one.before(other)
        and _term(one) > _term(other)
        for one, other in case.pairs
    )


def _term_given_twice(record: Record, case: Case) -> bool:
    """Two processes were elected for one term."""
    del record
    return any(
        one.call.f in _ELECTED
        and other.call.f in _ELECTED
        and one.call.key == other.call.key
        and _term(one) == _term(other)
        and one.call.process != other.call.process
        for one, other in case.pairs
    )


def _after_resigning(record: Record, case: Case) -> bool:
    """A word on a term was asked for after the one elected for it had resigned."""
    for end, word in case.pairs:
        if end.call.f != "resign" or not _speaks(word) or not end.before(word):
            continue
        won = [
            reply
            for reply in record.of(*_ELECTED)
            if (reply.call.process, reply.call.key) == (end.call.process, end.call.key)
            and reply.end.index < end.call.index
        ]
        if won and _term(won[-1]) == _term(word):
            return True
    return False


def _misquoted(record: Record, case: Case) -> bool:
    """An observer was shown what no client that was elected for that term had asked to say."""
    for word in case.replies:
        if not word.ok or word.call.f != "leader":
            continue
        owners = {
            reply.call.process
            for reply in record.of(*_ELECTED)
            if reply.call.key == word.call.key and _term(reply) == _term(word)
        }
        said = [
            call.value
            for call in record.calls
            if call.f in _SAYING and call.key == word.call.key and call.process in owners
        ]
        if owners and word.end.value[0] not in said:
            return True
    return False


DEFINITIONS: Final[Mapping[str, Callable[[Record, Case], bool]]] = {
    "version went back": _version_went_back,
    "number went back": _number_went_back,
    "number given twice": _given_twice,
    "terms overlap": _terms_overlap,
    "term given twice": _term_given_twice,
    "term goes on after resigning": _after_resigning,
    "leader misquoted": _misquoted,
}
