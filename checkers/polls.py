"""Long polls: what they return is the state as it was, and a change reaches who waits for it.

Consul documents of blocking queries: the index identifies the state of what was asked for; a query that waits at an
index returns once there is a newer one, or when its wait is over; changes in between may be skipped, a return is no
guarantee of a change, and an index may go backwards, after which the client begins anew. So an answer is a read of
every name, from when its query was asked until it came; and a query that does not answer says that nothing has changed:
a read of what it returned last, which may be `SLACK_S` old, where nothing is broken.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from quorate.checkers.derived import Derived, decided
from quorate.checkers.replays import shown_by
from quorate.checkers.replies import confirmed
from quorate.harness.core.verdict import Anomaly, Limits, Result
from quorate.harness.history import Event, History
from quorate.harness.history.event import NEMESIS

SLACK_S: Final = 5  # for a service on a busy machine to wake who waits
_NS: Final = 1_000_000_000
_NEVER: Final = 1 << 62
_NS_PER_US: Final = 1_000


class Seen(msgspec.Struct, frozen=True, gc=False):
    """The state that an answer showed, or that a silent query says is still there: at some time between two, in ns.

    `target` is the name asked for, None for all; `late` is a silence.
    """

    begun: int
    ended: int
    target: str | None
    entries: dict[str, list[Any]]
    mode: str
    event: Event
    late: bool = False


class PollsTellTheState:
    """Every answer of a poll is a state between asking and answer, and a poll that waits learns of changes.

    Functions: `set` (key: the name, value or None) and `poll` (key: the name, None for all), as
    `quorate.harness.core.capabilities.Polls` has them. Answers of stale reads are not held to their time, silences are.
    """

    name = "polls-tell-the-state"

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; unknown where no poll saw a change, or the order of a name's changes was not decided in time."""
        started = time.perf_counter()
        events = list(history.events())
        seen = list(_seen(events))
        derived = _as_registers(events, seen)
        order = derived.judge(limits, "the poll")
        missing = "" if any(each.entries for each in seen) else "no poll saw a name"
        answers = sum(not each.late for each in seen)
        stats = {
            "answers": answers,
            "silences": len(seen) - answers,
            "resets": _resets(events),
            "reads": derived.reads,
        }
        found = _facts(events, seen)
        word = decided(self.name, order, found, missing, operations=answers, started=started, stats=stats)
        return confirmed(word, history)


class _Stream(msgspec.Struct):
    """One standing poll: when the calls that read it began, and what it returned last."""

    calls: list[int]
    last: Seen | None = None
    asked_ns: int = 0  # when the query now under way was asked, or shortly before
    looked_ns: int = 0  # when its last answer came, or its silence was last taken note of


def _seen(events: Sequence[Event]) -> Iterator[Seen]:
    """Answers, and silences of at least `SLACK_S` with nothing broken since, one for each such time."""
    times = {event.index: event.time for event in events}
    faults = [event.time for event in events if event.process == NEMESIS]
    first, last = (faults[0], faults[-1]) if faults else (_NEVER, -1)
    streams: dict[tuple[int | str, int], _Stream] = {}
    for event in events:
        if event.f != "poll" or event.type != "ok" or event.index_of_invoke not in times:
            continue
        call = times[event.index_of_invoke]
        stream = streams.setdefault((event.process, event.value["watch"]), _Stream([], asked_ns=call))
        stream.calls.append(call)
        mode = event.value["mode"]
        for answer in event.value["answers"]:
            begun = (
                stream.calls[max(0, len(stream.calls) - 1 - answer["calls"])]
                + answer["after_us"] * _NS_PER_US
            )
            came = max(begun, event.time - answer["before_us"] * _NS_PER_US)
            stream.last = Seen(begun, came, event.key, answer["entries"], mode, event)
            stream.asked_ns, stream.looked_ns = call, came  # the next query was asked in this call
            yield stream.last
        since = call - SLACK_S * _NS
        calm = event.time < first or stream.asked_ns > last
        if stream.last is not None and calm and since > stream.looked_ns:
            stream.looked_ns = call
            yield Seen(since, event.time, event.key, stream.last.entries, mode, event, late=True)


def _resets(events: Sequence[Event]) -> int:
    """How often an index went backwards, which is documented."""
    return sum(
        answer["index"] < answer["asked"]
        for event in events
        if event.f == "poll" and event.type == "ok"
        for answer in event.value["answers"]
    )


def _facts(events: Sequence[Event], seen: Sequence[Seen]) -> list[Anomaly]:
    """What needs no order: values that somebody wrote at their version, and one state for each index."""
    asked = {event.index: event for event in events if event.f == "set" and event.type == "invoke"}
    wrote: dict[tuple[str, Any], Event] = {(event.key, event.value): event for event in asked.values()}
    refused: set[tuple[str, Any]] = set()
    at: dict[tuple[str, int], tuple[Any, Event]] = {}
    for event in events:
        if event.f != "set" or event.index_of_invoke not in asked:
            continue
        call = asked[event.index_of_invoke]
        if event.type == "fail":
            refused.add((call.key, call.value))
        elif event.type == "ok":
            refused.discard((call.key, call.value))
            if event.version is not None and call.value is not None:
                at[call.key, event.version] = (call.value, event)
    found = []
    for each in seen:
        for name, (value, version) in each.entries.items() if not each.late else ():
            if (name, value) not in wrote or (name, value) in refused:
                text = f"p{each.event.process} saw {name} = {value}, which was never written"
                found.append(shown_by("poll shows what was not written", text, each.event))
            known, source = at.setdefault((name, version), (value, each.event))
            if known != value:
                text = f"p{each.event.process} saw {name} = {value} at {version}, but it was {known}"
                found.append(shown_by("poll shows what was not written", text, each.event, source))
    return found + _indexes(events)


def _indexes(events: Sequence[Event]) -> list[Anomaly]:
    found = []
    states: dict[tuple[str | None, int], tuple[dict[str, Any], Event]] = {}
    for event in events:
        for answer in event.value["answers"] if event.f == "poll" and event.type == "ok" else ():
            index, entries = answer["index"], answer["entries"]
            above = [name for name, (_, version) in entries.items() if version > index]
            if above:
                text = f"p{event.process} saw index {index} with {above[0]} of {entries[above[0]][1]}"
                found.append(shown_by("index below what it shows", text, event))
            known, source = states.setdefault((event.key, index), (entries, event))
            if known != entries:
                name = next(name for name in known | entries if known.get(name) != entries.get(name))
                text = f"index {index} saw {name} = {known.get(name)} and with {entries.get(name)}"
                found.append(shown_by("one index, two states", text, event, source))
    return found


def _as_registers(events: Sequence[Event], seen: Sequence[Seen]) -> Derived:
    """Sets as writes, what was seen as reads of each name."""
    names = sorted({event.key for event in events if event.f == "set"})
    derived = Derived()
    calls: dict[int, Event] = {}
    for event in events:
        if event.f == "set" and event.type == "invoke":
            calls[event.index] = event
        elif event.f == "set" and event.index_of_invoke in calls:
            call = calls.pop(event.index_of_invoke)
            derived.write(call.key, call.value, call, event)
    for call in calls.values():
        derived.write(call.key, call.value, call, None)
    for each in seen:
        if each.mode == "stale" and not each.late:
            continue
        for name in names if each.target is None else (each.target,):
            value = (each.entries.get(name) or [None])[0]
            derived.read(name, value, each.begun, each.ended, each.event)
    return derived
