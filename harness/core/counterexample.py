"""The events that show an anomaly, as a history of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event, History

READ: Final = "read"
INVOKE: Final = "invoke"


def events(history: History, anomaly: Anomaly) -> Iterator[Event]:
    """The anomaly's events; of a set that was read as a whole, reads show only the elements that matter.

    An operation that is kept without its answer ends where it did, as `info`: its client went on from there, and a
    history in which a client has two operations under way cannot be read again.
    """
    wanted = set(anomaly.events)
    scope = scope_of(anomaly)
    unanswered: dict[int | str, Event] = {}
    for event in history.events():
        if event.index in wanted:
            if event.type == INVOKE:
                unanswered[event.process] = event
            else:
                unanswered.pop(event.process, None)
            yield event if scope is None else _trimmed(event, scope)
        elif event.type != INVOKE and (call := unanswered.pop(event.process, None)) is not None:
            yield msgspec.structs.replace(event, type="info", value=call.value, version=None)


def encoded(history: History, anomaly: Anomaly) -> bytes:
    """The same in the exchange format."""
    return b"".join(msgspec.json.encode(event) + b"\n" for event in events(history, anomaly))


def scope_of(anomaly: Anomaly) -> Sequence[Any] | None:
    """The elements of a set that an anomaly is about: `detail["elements"]`."""
    elements = anomaly.detail.get("elements")
    return elements if isinstance(elements, Sequence) and not isinstance(elements, str) else None


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
