"""Say in a sentence, in words of the model, which operation of a minimal counterexample could not have happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol, Self

import msgspec

from quorate.checkers.words import moment, say
from quorate.harness.history import History

_NS: Final = 1e9
_INFINITE: Final = float("inf")
# Sentences list at most this many operations.
_LISTED_MAX: Final = 6

Named = tuple[str, str]


class Rest(Protocol):
    """What the rest of the history says of the key; moments are in seconds."""

    def moved(self, since_s: float, value: Any) -> bool:
        """Whether a completed read, called after this moment, saw another value."""

    def failed(self, value: Any) -> tuple[str, str] | None:
        """Who asked to write this value and was refused, and when that was, if anybody."""

    def released(self, process: int | str, since_s: float) -> float | None:
        """When the process first asked to give the lock back after this moment, if it ever did."""


class Told(msgspec.Struct, frozen=True):
    """One operation of the counterexample. `returned` is infinite and `kind` is `info` where nobody knows."""

    position: int
    process: int | str
    f: str
    argument: Any
    result: Any
    kind: str
    called: float
    returned: float
    scope: Sequence[Any] | None = None  # of a set that was read as a whole: the elements that matter
    at: str = ""  # when the answer came (or, of an unknown outcome, the call), in words

    @classmethod
    def of(cls, history: History, call: int, end: int | None, scope: Sequence[Any] | None = None) -> Self:
        """Read it from the history, by the positions of its events."""
        event = history.event(call)
        done = None if end is None else history.event(end)
        # A refused compare-and-set that says what it saw is a read.
        f = "read" if done is not None and done.type == "fail" else event.f
        return cls(
            position=call,
            process=event.process,
            f=f,
            argument=event.value,
            result=None if done is None else done.value,
            kind="info" if done is None else "ok",
            called=event.time / _NS,
            returned=_INFINITE if done is None else done.time / _NS,
            scope=scope,
            at=when(history, call if done is None or end is None else end),
        )

    @property
    def who(self) -> str:
        """The client, as people write it."""
        return f"p{self.process}"

    @property
    def when(self) -> str:
        """When the answer came."""
        return self.at or f"at {self.called if self.kind == 'info' else self.returned:.3f} s"

    @property
    def found(self) -> Any:
        """The value that it certainly saw: a read's result, or what a compare-and-set replaced."""
        return self.argument[0] if self.f == "cas" else self.result

    @property
    def left(self) -> Any:
        """The value that it leaves."""
        return self.argument[1] if self.f == "cas" else None if self.f == "delete" else self.argument

    def words(self) -> str:
        """The operation in words."""
        what = {
            "read": f"read {say(self.result)}",
            "write": f"wrote {say(self.argument)}",
            "delete": "deleted the value",
            "contains": f"found {_element(self.argument)} {'there' if self.result else 'missing'}",
            "enqueue": f"enqueued {_element(self.argument)}",
            "add": f"added {_element(self.argument)}",
            "increment": f"added {say(self.argument)}",
            "remove": f"removed {_element(self.argument)}",
            "acquire": "took the lock" + ("" if self.result is None else f" (token {say(self.result)})"),
            "release": "gave the lock back",
            "append": f"appended {say(self.argument)}",
        }.get(self.f, f"{self.f} {say(self.argument)}")
        if self.f == "cas":
            what = f"changed {say(self.argument[0])} to {say(self.argument[1])}"
        if self.f == "read" and self.scope is not None:
            what = _of_the_set(self.result or (), self.scope)
        if self.f == "dequeue":
            what = "found the queue empty" if self.result is None else f"dequeued {say(self.result)}"
        if self.kind == "info":
            # Kept so where the contradiction stands either way, also of operations that were answered.
            what = "" if self.argument is None else f" {say(self.argument)}"
            return f"{self.who} {self.f}{what} (whether or not it took effect)"
        return f"{self.who} {what}"


def _of_the_set(read: Sequence[Any], scope: Sequence[Any]) -> str:
    """What a read of the whole set says of the elements that matter."""
    seen = list(map(say, read))
    saw = [one for one in map(say, scope) if one in seen]
    missed = [one for one in map(say, scope) if one not in seen]
    twice = [one for one in saw if seen.count(one) > 1]
    if twice:
        return f"saw {' and '.join(twice)} twice in the set"
    if saw and missed:
        return f"saw {' and '.join(saw)} but not {' or '.join(missed)} in the set"
    return f"saw {' and '.join(saw)} in the set" if saw else f"did not see {' or '.join(missed)} in the set"


def _element(value: Any) -> str:
    """An element as people write it; null is one like any other."""
    return "null" if value is None else say(value)


def when(history: History, position: int) -> str:
    """The moment of an event: `at 1.234 s`, or `in event 3` of a history without times."""
    columns = history.columns
    timed = history.timed and int(columns.time[0]) != int(columns.time[-1])
    return moment(int(columns.time[position]), int(columns.index[position]), timed=timed)


def explain(model: str, told: Sequence[Told], culprit: int, rest: Rest) -> Named:
    """Name the anomaly and say what happened; `rest` knows what the counterexample leaves out."""
    bad = next((one for one in told if one.position == culprit), told[-1])
    others = [one for one in told if one is not bad]
    family = {
        "register": _register,
        "cas-register": _register,
        "kv": _register,
        "queue": _queue,
        "unordered-queue": _queue,
        "set": _set,
        "counter": _counter,
        "lock": _lock,
        "fenced-lock": _lock,
    }[model]
    return family(bad, others, rest) or _general(bad, others)


def _general(bad: Told, others: Sequence[Told]) -> Named:
    listed = ", ".join(f"{one.words()} {one.when}" for one in others[:_LISTED_MAX])
    more = f" and {len(others) - _LISTED_MAX} more" if len(others) > _LISTED_MAX else ""
    return "no order", f"{bad.words()} {bad.when}, which fits no order with: {listed}{more}"


def _register(bad: Told, others: Sequence[Told], rest: Rest) -> Named | None:  # noqa: PLR0911 - one case each
    if bad.f not in ("read", "cas") or any(one.f == "append" for one in others):
        return _unread(bad, others)
    value = bad.found
    start = f"{bad.words()} {bad.when}"
    writers = [one for one in others if one.f in ("write", "cas", "delete") and one.left == value]
    if not writers and value is not None:
        refused = rest.failed(value)
        if refused is not None:
            who, ended = refused
            return "phantom value", f"{start}, but {who}'s write of it had failed {ended}"
        return "phantom value", f"{start}, but nobody had ever written {say(value)}"
    if bad.f == "cas":
        twice = [one for one in others if one.f == "cas" and one.found == value and one.kind == "ok"]
        if twice and len(writers) <= 1:
            other = twice[0]
            return "double cas", (
                f"{start}, but {other.words()} {other.when} as well, and {say(value)} was written only once"
            )
    if writers and min(one.called for one in writers) >= bad.returned:
        return "future value", f"{start}, but {say(value)} was first asked to be written after that"
    over = [one for one in others if one.kind == "ok" and _shows(one) != value and one.returned <= bad.called]
    over.sort(key=lambda one: one.returned)
    if not over:
        return None
    return _stale(start, bad, over, others, rest)


def _shows(one: Told) -> Any:
    return one.result if one.f == "read" else one.left


def _stale(start: str, bad: Told, over: Sequence[Told], others: Sequence[Told], rest: Rest) -> Named:
    newest = over[-1]
    now = _shows(newest)
    readers = [one for one in over if one.f == "read" and one.result == now]
    writer = next((one for one in others if one.f != "read" and one.left == now), None)
    facts = [f"written by {writer.who}"] if writer else []
    facts += [f"read by {one.who}" for one in readers[:2]]
    lost = newest.f != "read" and not readers and not rest.moved(newest.returned, bad.found)
    name = "lost write" if lost else "stale read" if bad.f == "read" else "stale cas"
    if now is None:
        facts = facts or ["so"]
        return name, f"{start}, but {newest.words()} {newest.when}, before {bad.who} asked"
    seen = "anything" if bad.found is None else f"anything but {say(bad.found)}"
    tail = f", and no later read saw {seen}" if lost else ""
    return name, f"{start}, but {say(now)} had been {' and '.join(facts)} before {bad.who} asked{tail}"


def _unread(bad: Told, others: Sequence[Told]) -> Named | None:
    """The last to return is a write: reads around it contradict each other."""
    readers = [one for one in others if one.f == "read"]
    if bad.f not in ("write", "delete") or not readers:
        return None
    name, sentence = _general(bad, others)
    return ("reordered reads" if len(readers) > 1 else name), sentence


def _queue(bad: Told, others: Sequence[Told], rest: Rest) -> Named | None:  # noqa: PLR0911 - one case each
    del rest
    if bad.f == "dequeue":
        start = f"{bad.words()} {bad.when}"
        held = [one for one in others if one.f == "enqueue" and one.kind == "ok"]
        taken = [one for one in others if one.f == "dequeue" and one.kind == "ok"]
        if bad.result is None:
            if len(held) > sum(one.result is not None for one in taken):
                return "false empty", f"{start}, but {held[0].words()} {held[0].when} and it was still there"
            return "false empty", f"{start}, but at no moment was it empty"
        if any(one.result == bad.result for one in taken):
            other = next(one for one in taken if one.result == bad.result)
            return "duplicate dequeue", f"{start}, but {other.who} had already dequeued it {other.when}"
        source = [one for one in others if one.f == "enqueue" and one.argument == bad.result]
        if not source:
            return "phantom value", f"{start}, but nobody had ever enqueued it"
        if min(one.called for one in source) >= bad.returned:
            return "future value", f"{start}, but it was first asked to be enqueued after that"
        return _queue_order(start, bad, others)
    return None


def _queue_order(start: str, bad: Told, others: Sequence[Told]) -> Named | None:
    enqueued = [one for one in others if one.f == "enqueue"]
    taken = [one for one in others if one.f == "dequeue"]
    came = next((one for one in enqueued if one.argument == bad.result), None)
    ahead = [one for one in enqueued if came and one is not came and one.returned <= came.called]
    for one in ahead:
        if any(other.kind == "info" and other.called >= bad.returned for other in taken):
            return (
                "reordered queue",
                f"{start}, but {one.words()} {one.when}, ahead of it, and it was still there",
            )
        if not any(other.result == one.argument for other in taken):
            return (
                "lost element",
                f"{start}, but {one.words()} {one.when}, ahead of it, and nobody dequeued that",
            )
    behind = next((one for one in taken if one.returned <= bad.called), None)
    if behind:
        return (
            "reordered queue",
            f"{start}, after {behind.words()} {behind.when}, which had been enqueued later",
        )
    return None


def _set(bad: Told, others: Sequence[Told], rest: Rest) -> Named | None:
    del rest
    start = f"{bad.words()} {bad.when}"
    if bad.f == "contains":
        added = [one for one in others if one.f == "add" and one.argument == bad.argument]
        removed = [one for one in others if one.f == "remove" and one.argument == bad.argument]
        if bad.result and not added:
            return "phantom element", f"{start}, but nobody had ever added it"
        if not bad.result and added and not removed:
            return "lost element", f"{start}, but {added[0].words()} {added[0].when} and nobody removed it"
        last = max([*added, *removed], key=lambda one: one.called, default=None)
        return None if last is None else ("stale read", f"{start}, but {last.words()} {last.when}")
    return _set_read(start, bad, others) if bad.f == "read" else None


def _set_read(start: str, bad: Told, others: Sequence[Told]) -> Named | None:
    scope = set(map(say, bad.scope if bad.scope is not None else bad.result or ()))
    seen = list(map(say, bad.result or ()))
    twice = [one for one in seen if one in scope and seen.count(one) > 1]
    if twice:
        return "duplicate element", f"{start}, and in a set everything is once"
    added = [one for one in others if one.f == "add"]
    phantom = sorted(scope.intersection(seen) - {say(one.argument) for one in added})
    if phantom:
        it = "it" if len(scope) == 1 else ", ".join(phantom)
        return "phantom element", f"{start}, but nobody had ever added {it}"
    missing = [one for one in added if say(one.argument) not in seen and one.returned <= bad.called]
    removed = {say(one.argument) for one in others if one.f == "remove"}
    for one in missing:
        if say(one.argument) not in removed:
            it = "it" if len(scope) == 1 else say(one.argument)
            return "lost element", f"{start}, but {one.who} had added {it} {one.when} and nobody removed it"
    early = [one for one in others if one.f == "read" and one.kind == "ok" and one.returned <= bad.called]
    if early and not removed and set(map(say, early[-1].result or ())) & scope - set(seen):
        return "stale read", f"{start}, but {early[-1].words()} {early[-1].when}, before {bad.who} asked"
    return None


def _counter(bad: Told, others: Sequence[Told], rest: Rest) -> Named | None:
    del rest
    if bad.f != "read":
        return None
    start = f"{bad.words()} {bad.when}"
    adds = [one for one in others if one.f != "read"]
    sure = sum(one.argument for one in adds if one.returned <= bad.called)
    most = sum(one.argument for one in adds if one.called < bad.returned)
    if all(one.argument >= 0 for one in adds):
        more = [
            one
            for one in others
            if one.f == "read" and one.result > bad.result and one.returned <= bad.called
        ]
        if more:
            one = more[0]
            return "total went back", f"{start}, but {one.words()} {one.when}, before {bad.who} asked"
        if bad.result < sure:
            return "lost increment", f"{start}, but increments of {sure} had succeeded before {bad.who} asked"
        if bad.result > most:
            return "phantom increment", f"{start}, but increments of no more than {most} had been asked for"
    return None


def _lock(bad: Told, others: Sequence[Told], rest: Rest) -> Named | None:
    start = f"{bad.words()} {bad.when}"
    holders = [one for one in others if one.f == "acquire" and one.kind == "ok"]
    if bad.f == "release" and not any(one.process == bad.process for one in holders):
        return "release without hold", f"{start}, but did not hold it"
    tokens = [
        one for one in holders if bad.f == "acquire" and one.result is not None and bad.result is not None
    ]
    newer = [one for one in tokens if one.result >= bad.result and one.returned <= bad.called]
    if newer:
        return "token went back", f"{start}, but {newer[0].words()} {newer[0].when}, before {bad.who} asked"
    if bad.f != "acquire":
        return None
    others_hold = [one for one in holders if one.process != bad.process]
    if others_hold:
        one = max(others_hold, key=lambda one: one.called)
        return "double grant", f"{start}, but {_held_by(one, bad, rest)}"
    own = [one for one in holders if one.returned <= bad.called]
    given = [one for one in others if one.f == "release" and one.process == bad.process]
    if own and not any(own[-1].returned <= one.called <= bad.called for one in given):
        return "taken twice", f"{start}, which it held already: {own[-1].words()} {own[-1].when}"
    return None


def _held_by(one: Told, bad: Told, rest: Rest) -> str:
    token = "" if one.result is None else f" (token {say(one.result)})"
    back = rest.released(one.process, one.returned)
    if back is None:
        ended = "never asked to give it back"
    elif back > bad.returned:
        ended = f"asked to give it back only at {back:.3f} s"
    else:
        ended = "had not given it back"
    return f"{one.who} had taken it{token} {one.when} and {ended}"
