"""The events that show an anomaly, as a separate history."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from quorate.harness.core.evidence import Contradiction, SessionOrder
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event, History
from quorate.harness.history.columns import NONE

READ: Final = "read"
INVOKE: Final = "invoke"


def events(history: History, anomaly: Anomaly) -> Iterator[Event]:
    """The anomaly's events; of a set that was read as a whole, reads show only the elements that matter.

    An operation that is kept without its answer ends where it did, as `info`: its client went on from there, and a
    history in which a client has two operations under way cannot be read again. Only these events are decoded, however
    long the history is; indexes that it does not have are passed over.
    """
    scope = scope_of(anomaly)
    pair = history.columns.pair
    wanted = set(_positions(history, anomaly.events))
    found = {at: history.event(at) for at in wanted}
    for at, event in list(found.items()):
        end = int(pair[at])
        if event.type == INVOKE and end != NONE and end not in wanted:
            found[end] = msgspec.structs.replace(
                history.event(end), type="info", value=event.value, version=None
            )
    for at in sorted(found):
        yield found[at] if scope is None else _trimmed(found[at], scope)


def _positions(history: History, indexes: Iterable[int]) -> Iterator[int]:
    for index in indexes:
        with contextlib.suppress(KeyError):
            yield history.position(index)


def encoded(history: History, anomaly: Anomaly) -> bytes:
    """The same in the exchange format.

    A refusal that says what it saw gets an error beside it: without the rest of the history, which may write that
    value, it could be taken for the error itself.
    """
    return b"".join(msgspec.json.encode(_plain(event)) + b"\n" for event in events(history, anomaly))


def _plain(event: Event) -> Event:
    refused = event.type == "fail" and event.f == "cas" and event.value is not None and event.error is None
    return msgspec.structs.replace(event, error=["refused", ""]) if refused else event


def scope_of(anomaly: Anomaly) -> Sequence[Any] | None:
    """The elements of a set that an anomaly is about."""
    return anomaly.detail.elements if isinstance(anomaly.detail, Contradiction | SessionOrder) else None


def trimmed(seen: Any, scope: Sequence[Any]) -> Any:
    """What was read of a set, as far as these elements go."""
    if not isinstance(seen, list):
        return seen
    known = {msgspec.json.encode(element) for element in scope}
    return [element for element in seen if msgspec.json.encode(element) in known]


def _trimmed(event: Event, scope: Sequence[Any]) -> Event:
    if event.f != READ or not isinstance(event.value, list):
        return event
    return msgspec.structs.replace(event, value=trimmed(event.value, scope))
