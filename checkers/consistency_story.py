"""Say why a history is not consistent at some level weaker than linearizability, and hand out the certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from quorate.checkers.explain import Told
from quorate.checkers.sessions_record import Certificate, Found, Impossible, Step
from quorate.checkers.sessions_refute import JUDGE
from quorate.harness.core.evidence import SessionOrder
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import History
from quorate.harness.history.columns import INFO, NONE


def _told(history: History, call: int, scope: Sequence[Any] | None = None) -> Told:
    pair = int(history.columns.pair[call])
    known = pair != NONE and int(history.columns.kind[pair]) != INFO
    return Told.of(history, call, pair if known else None, scope)


def _evidence(history: History, calls: Sequence[int]) -> list[int]:
    columns = history.columns
    both = {at for call in calls for at in (call, int(columns.pair[call])) if at != NONE}
    return [int(columns.index[at]) for at in sorted(both)]


def impossible(history: History, one: Impossible) -> Anomaly:
    """A read of what was never written."""
    scope = None if one.element in (None, msgspec.UNSET) else [one.element]
    read = _told(history, one.call, scope)
    why = (_NOT_WRITTEN if scope is None else _NOT_ADDED).get(one.name, "but it was never written")
    index = int(history.columns.index[one.call])
    element = msgspec.UNSET if scope is None else one.element
    certificate = Certificate(kind="impossible", call=index, element=element)
    detail = SessionOrder(certificate=msgspec.to_builtins(certificate), elements=scope, confirmed_by=JUDGE)
    return Anomaly(
        name=one.name if scope is None else one.name.replace("value", "element"),
        sentence=f"{read.words()} {read.when}, {why}; no consistency model allows that",
        key=history.event(one.call).key,
        events=_evidence(history, [one.call]),
        culprit=index,
        detail=detail,
    )


_NOT_WRITTEN: Final[Mapping[str, str]] = {
    "phantom value": "but that value was never written",
    "read from the future": "but only writes that its own session made later had that value",
    "aborted read": "but the only writes of that value failed",
}
_NOT_ADDED: Final[Mapping[str, str]] = {
    "phantom value": "but no write left it so",
    "read from the future": "but only its own session put it there, and later",
    "aborted read": "but all that tried to put it there failed",
}
_NAMES: Final[Mapping[str, str]] = {
    "sequential": "no sequential order",
    "causal": "causality violated",
    "pram": "no order for a session",
    "writes-follow-reads": "write before what it followed",
    "monotonic-writes": "writes out of order",
    "monotonic-reads": "read went back",
    "read-your-writes": "own write unseen",
}
_PROMISES: Final[Mapping[str, str]] = {
    "sequential": "no one order of all operations keeps every session's own",
    "causal": "no order of this session's reads and all writes keeps what caused what",
    "pram": "no order of this session's reads and all writes keeps every session's own",
    "writes-follow-reads": "a write was seen without what its session had read before it",
    "monotonic-writes": "a session's writes were seen in another order than it made them",
    "monotonic-reads": "the session had already seen a later state",
    "read-your-writes": "the session had already written",
}


def contradiction(history: History, level: str, mine: Found) -> Anomaly:
    """The minimal operations in words, session by session, and why each of the circle's steps holds."""
    calls = mine.events
    scope = mine.elements
    by_session: dict[str, list[Told]] = {}
    for call in calls[:12]:
        one = _told(history, call, scope)
        by_session.setdefault(one.who, []).append(one)
    key = {_told_key(history, call) for call in calls}
    many = len(key) > 1
    parts = [
        f"{who} {', then '.join(_words(history, one, many=many) for one in ops)}"
        for who, ops in by_session.items()
    ]
    more = f" (and {len(calls) - 12} operations more)" if len(calls) > 12 else ""  # noqa: PLR2004
    reader = mine.session
    process = None if reader is None else history.event(reader).process
    culprit = next(
        (call for call in reversed(calls) if process is None or history.event(call).process == process),
        calls[-1],
    )
    return Anomaly(
        name=_NAMES[level],
        sentence=f"{'; '.join(parts)}{more}: {_PROMISES[level]}",
        key=None if many else history.event(calls[0]).key,
        events=_evidence(history, calls),
        culprit=int(history.columns.index[culprit]),
        detail=SessionOrder(
            certificate=msgspec.to_builtins(_certificate(history, level, mine)),
            minimal=mine.minimal,
            session=process,
            order=[_step(history, step, scope) for step in mine.steps],
            elements=scope,
            confirmed_by=JUDGE,
        ),
    )


def _certificate(history: History, level: str, mine: Found) -> Certificate:
    """What `sessions_refute` replays, with indexes of events for positions."""
    index, pair, kind = history.columns.index, history.columns.pair, history.columns.kind

    def named(at: int | None) -> int | None:
        return None if at is None else int(index[at])

    total = mine.sum
    if total is not None:
        return Certificate(
            kind="session-sum",
            level=level,
            sum=total.kind,
            read=int(index[total.read]),
            after=named(total.after),
            between=[int(index[at]) for at in total.between],
        )
    ends = {call: int(pair[call]) for call in mine.events if pair[call] != NONE and kind[pair[call]] != INFO}
    return Certificate(
        kind="sessions",
        level=level,
        operations=[(int(index[call]), named(ends.get(call))) for call in mine.events],
        session=named(mine.session),
        alone=mine.alone,
        elements=mine.elements,
    )


def _told_key(history: History, call: int) -> str:
    return msgspec.json.encode(history.event(call).key).decode()


def _words(history: History, one: Told, *, many: bool) -> str:
    words = one.words().removeprefix(f"{one.who} ")
    return f"{words} (key {history.event(one.position).key})" if many else words


def _step(history: History, step: Step, scope: Sequence[Any] | None) -> str:
    def words(at: int | None) -> str:
        return "the initial value" if at is None else _told(history, at, scope).words()

    by = "" if step.by is None else words(step.by)
    why = {
        "session": "in the order of the session",
        "read": "which was read",
        "seen": f"for it was to be seen when {by}",
        "overwritten": "which overwrote what was read",
        "queue": "in the order of the queue",
        "held": "for the lock has one holder, and its tokens grow",
        "counted": "for the total only grows",
    }[step.why]
    return f"{words(step.start)} before {words(step.to)}, {why}"
