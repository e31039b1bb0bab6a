"""Values before a change, as a watch reports them: each must be what the change before it left.

A value that is left out says nothing: etcd leaves it out where it has been compacted (documented).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from quorate.checkers.replays import shown_by
from quorate.harness.core.verdict import Anomaly
from quorate.harness.history import Event


def wrong_previous(events: Sequence[Event], truth: Mapping[int, Mapping[str, Any]]) -> list[Anomaly]:
    """Values before a change that were another one's, or none's. `truth` is what is known: revision, name, value.

    Values are unique. One that was written without an answer may have stood anywhere, so it is let pass.
    """
    changes: defaultdict[str, list[tuple[int, Any]]] = defaultdict(list)
    written: dict[tuple[str, Any], int] = {}
    for revision in sorted(truth):
        for name, value in truth[revision].items():
            changes[name].append((revision, value))
            written[name, value] = revision
    asked = _asked(events)
    found = []
    for event in events:
        if event.f not in {"watch", "follow"} or event.type != "ok":
            continue
        for _, shown in event.value["messages"]:
            for name, _, revision, *before in shown:
                text = _wrong(name, revision, before[0], changes[name], written, asked) if before else ""
                if text:
                    text = f"p{event.process} saw that {text}"
                    found.append(shown_by("watch shows a wrong value before", text, event))
    return found


def _asked(events: Sequence[Event]) -> set[tuple[str, Any]]:
    """Names and values that somebody set out to write."""
    asked: set[tuple[str, Any]] = set()
    for event in events:
        if event.type == "invoke" and event.f == "change":
            asked.update(event.value.items())
        elif event.type == "invoke" and event.f == "put":
            asked.add((event.key, event.value))
    return asked


def _wrong(
    name: str,
    revision: int,
    before: Any,
    changes: Sequence[tuple[int, Any]],
    written: Mapping[tuple[str, Any], int],
    asked: set[tuple[str, Any]],
) -> str:
    """What is wrong with this value before a change, in words; nothing where it can be."""
    at = bisect_left(changes, revision, key=lambda one: one[0])
    since, value = changes[at - 1] if at else (0, None)
    if at and value == before:
        return ""
    place = written.get((name, before))
    told_as = f"{name} was {before} before revision {revision}"
    if place is not None:
        return (
            f"{told_as}, but it was {value} from revision {since} on"
            if place < since or place >= revision
            else ""
        )
    return "" if (name, before) in asked else f"{told_as}, which was never written"
