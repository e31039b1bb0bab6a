"""Elections by the service's own word: one leader at a time, terms in the order of their tokens.

A client may believe that it leads for a while after its session has ended; every service documents that, and no
history can forbid it. What the service itself says is another matter: that a candidate was elected, that a leader's
proclamation was accepted, who leads. Each such word is true at some moment between asking and answer, the token says
of which term, and terms follow one another. So it is enough that no word on an earlier term is asked for after a word
on a later one was heard.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from quorate.checkers.replies import confirmed
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict
from quorate.harness.history import Event, History, Operation

_TOLD_MAX: Final = 20
_NS: Final = 1e9
_TERMS_MIN: Final = 2
_SAYS: Final = {
    "campaign": "was elected for term",
    "crown": "was elected for term",
    "proclaim": "spoke as the leader of term",
    "leader": "saw a leader of term",
}


class Word(msgspec.Struct, frozen=True, gc=False):
    """The service's word on a term, true at some moment from `asked` to `done`."""

    token: int
    asked: int
    done: int
    event: Event

    @property
    def text(self) -> str:
        """Who heard what, of which term."""
        return f"p{self.event.process} {_SAYS[self.event.f]} {self.token} at {self.done / _NS:.3f} s"


class OneLeaderAtATime:
    """Terms do not overlap, tokens grow, what observers saw was said by that leader, and a resigned one is gone.

    Functions, by key: `campaign` (a value) → token, `proclaim` (a value) → token, `leader` → [value, token], `resign`;
    `crown` is a campaign after the last heal, and undecided is an election in which all of those failed. O(n log n).
    """

    name = "one-leader-at-a-time"

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; unknown where fewer than two terms were seen, or no client could be elected at the end."""
        del limits
        started = time.perf_counter()
        elections: dict[str, list[Operation]] = defaultdict(list)
        for operation in history.operations():
            elections[str(operation.invoke.key)].append(operation)
        found: list[Anomaly] = []
        terms, vacant = 0, []
        for key, operations in elections.items():
            words = sorted(_words(operations), key=lambda word: word.asked)
            terms += len({word.token for word in words})
            found += [*_order(key, words), *_twice(key, words), *_resigned(key, operations, words)]
            found += _sayings(key, operations, words)
            crowned = [each.outcome for each in operations if each.invoke.f == "crown"]
            vacant += [key] if crowned and "ok" not in crowned else []
        reason = f"no client could be elected in {', '.join(vacant)} after the last heal" if vacant else ""
        if terms < _TERMS_MIN:
            reason = f"{terms} terms were seen, two are needed"
        result = Result(
            guarantee=self.name,
            verdict=Verdict.INVALID if found else Verdict.UNKNOWN if reason else Verdict.VALID,
            engine="terms",
            reason=f"{len(found)} violations" if found else reason,
            operations=sum(map(len, elections.values())),
            anomalies=sorted(found, key=lambda one: one.events[-1])[:_TOLD_MAX],
            time_s=time.perf_counter() - started,
            stats={"terms": terms, "violations": dict(Counter(each.name for each in found))},
        )
        return confirmed(result, history)


def _words(operations: Iterable[Operation]) -> Iterable[Word]:
    for operation in operations:
        done, f = operation.completion, operation.invoke.f
        if done is not None and done.type == "ok" and f in _SAYS:
            token = done.value[1] if f == "leader" else done.value
            yield Word(token, operation.invoke.time, done.time, done)


def _order(key: str, words: list[Word]) -> list[Anomaly]:
    """Words of an earlier term that were asked for after one of a later term was heard; the first of each term."""
    heard = sorted(words, key=lambda word: word.done)
    latest: Word | None = None
    at, found, told = 0, [], set()
    for word in words:
        while heard[at].done < word.asked:
            if latest is None or heard[at].token > latest.token:
                latest = heard[at]
            at += 1
        if latest is not None and word.token < latest.token and word.token not in told:
            told.add(word.token)
            text = f"{word.text}, but {latest.text}, before p{word.event.process} asked"
            found.append(_anomaly("terms overlap", text, key, (latest.event, word.event)))
    return found


def _twice(key: str, words: list[Word]) -> list[Anomaly]:
    """Two processes that were elected with one token."""
    first: dict[int, Word] = {}
    found = []
    for word in words:
        if word.event.f in {"campaign", "crown"}:
            other = first.setdefault(word.token, word)
            if other.event.process != word.event.process:
                found.append(
                    _anomaly(
                        "term given twice",
                        f"{word.text}, but {other.text} as well",
                        key,
                        (other.event, word.event),
                    )
                )
    return found


def _resigned(key: str, operations: list[Operation], words: list[Word]) -> list[Anomaly]:
    """Words of a term that were asked for after its leader's resignation had been acknowledged."""
    won: dict[int | str, int] = {}
    ended: dict[int, Event] = {}
    for operation in operations:
        done = operation.completion
        if done is None or done.type != "ok":
            continue
        if done.f in {"campaign", "crown"}:
            won[done.process] = done.value
        elif done.f == "resign" and done.process in won:
            ended.setdefault(won[done.process], done)
    found = []
    for word in words:
        end = (
            ended.pop(word.token, None)
            if word.token in ended and ended[word.token].time < word.asked
            else None
        )
        if end is not None:
            text = (
                f"{word.text}, but p{end.process} had resigned from it at {end.time / _NS:.3f} s, before "
                f"p{word.event.process} asked"
            )
            found.append(_anomaly("term goes on after resigning", text, key, (end, word.event)))
    return found


def _sayings(key: str, operations: list[Operation], words: list[Word]) -> list[Anomaly]:
    """What observers saw must have been said by whoever was elected with that token."""
    said: dict[int | str, set[bytes]] = defaultdict(set)
    for operation in operations:
        if operation.invoke.f in {"campaign", "crown", "proclaim"}:
            said[operation.invoke.process].add(msgspec.json.encode(operation.invoke.value))
    owners: Mapping[int, int | str] = {
        word.token: word.event.process for word in words if word.event.f in {"campaign", "crown"}
    }
    found = []
    for word in words:
        owner = owners.get(word.token)
        if word.event.f != "leader" or owner is None:
            continue
        told = word.event.value[0]
        if msgspec.json.encode(told) not in said[owner]:
            text = f"{word.text} who says {told}, which p{owner}, elected for that term, never said"
            found.append(_anomaly("leader misquoted", text, key, (word.event,)))
    return found


def _anomaly(name: str, text: str, key: str, events: Iterable[Event]) -> Anomaly:
    known = list(events)
    calls = [event.index if event.index_of_invoke is None else event.index_of_invoke for event in known]
    return Anomaly(
        name=name,
        sentence=f"election {key}: {text}",
        key=key,
        events=sorted({*calls, *(event.index for event in known)}),
        culprit=calls[-1],
    )
