"""Histories judged during the run: fed event by event, memory flat, an early `invalid` that is final.

`invalid` on the beginning of a history is final, `valid` is not: what comes later can only add contradictions. Every
`batch` events the keys that changed are judged by the same engines as a finished history, and what is settled is
forgotten (`checkers.forgetting`), soundly: an alarm here means that the whole history is invalid. What is forgotten
may cost an alarm; the finished history is judged in any case.

See docs/decisions/online-checking.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from quorate.checkers.forgetting import RULES, Key, Pair, drop_looks, pairs_of
from quorate.checkers.forgetting.key import name, since
from quorate.checkers.forgetting.queues import ignore_oldest, ignored
from quorate.checkers.linearizable import Linearizable
from quorate.checkers.models import MODELS
from quorate.checkers.online_transactions import OnlineTransactions
from quorate.checkers.transactions import Transactions
from quorate.harness.core.evidence import Contradiction
from quorate.harness.core.verdict import Anomaly, Checker, Limits, Verdict
from quorate.harness.history.event import NEMESIS, Event
from quorate.harness.history.history import History

# Events of one key that are held before anything is given up for the sake of memory.
_MANY: Final = 10_000


class Online:
    """Feed it every event of the run in order; it returns an anomaly as soon as one is certain.

    `batch` is the number of events between two looks (a key of which more is held waits for half as many again),
    `limits` those of judging one key: where that is not decided, it is tried again with more events.
    """

    def __init__(
        self,
        model: str = "cas-register",
        *,
        initial: Any = None,
        batch: int = 2000,
        limits: Limits | None = None,
        most: int = _MANY,
    ) -> None:
        self.model = model
        self.initial = initial
        self.batch = batch
        self.limits = limits or Limits(time_s=1.0, memory_bytes=256 << 20)
        self.most = most
        self.anomaly: Anomaly | None = None
        self._keys: dict[bytes, Key] = {}
        self._changed: dict[bytes, Key] = {}
        self._waiting = 0
        self._now = 0

    @property
    def held(self) -> int:
        """How many events are held."""
        return sum(len(key.events) for key in self._keys.values())

    def feed(self, event: Event) -> Anomaly | None:
        """Take the next event; return the anomaly once one is known, and from then on."""
        if self.anomaly is not None or event.process == NEMESIS:
            return self.anomaly
        key_name = name(event.key)
        key = self._keys.get(key_name)
        if key is None:
            key = self._keys[key_name] = Key(self.initial)
        if not key.blind:
            key.events.append(event)
            self._changed[key_name] = key
        self._now = max(self._now, event.time)
        self._waiting += 1
        if self._waiting >= self.batch:
            self._look(every=False)
        return self.anomaly

    def look(self) -> Anomaly | None:
        """Judge all that has come since the last look: the end of the stream, or of a moment."""
        self._now += 1
        self._look(every=True)
        return self.anomaly

    def _look(self, *, every: bool) -> None:
        self._waiting = 0
        for key_name, key in [*self._changed.items()]:
            if self.anomaly is not None:
                return
            if every or len(key.events) >= key.look_at:
                if not key.events or key.events[-1].time < self._now:
                    del self._changed[key_name]  # else what returned just now is judged again
                self._judge(key)
                key.look_at = len(key.events) + max(1, min(self.batch, len(key.events) // 2))

    def _judge(self, key: Key) -> None:
        pairs = [pair for pair in pairs_of(key.events) if not ignored(key, pair)]
        if key.members:
            # Of a set that only grows, every read must contain the known members; adding one again changes nothing.
            key.blind = any(call.f not in ("add", "read") for call, _ in pairs)
            pairs = [pair for pair in pairs if pair[0].f != "add" or name(pair[0].value) not in key.members]
        if key.blind:
            key.events = []
            return
        self.anomaly = self._contradiction(key, pairs) or self._engine(key, pairs)
        if self.anomaly is None:
            moment = since(pairs, self._now)
            if moment is not None:
                pairs = self._forget(key, pairs, moment)
            key.events = events_of(pairs)

    def _engine(self, key: Key, pairs: Sequence[Pair]) -> Anomaly | None:
        # What returned at the present moment is as good as open: something may yet be called at the same time, and
        # ties widen. The event at the end keeps them what they are where all that is held has one time.
        events = events_of([_seen(key, pair) for pair in pairs])
        if not events:
            return None
        for at, event in enumerate(events):
            if event.type != "invoke" and event.time >= self._now:
                events[at] = msgspec.structs.replace(event, type="info")
        end = Event(events[-1].index + 1, self._now + 1, NEMESIS, "info", "online")
        history = History.of([*events, end])
        result = Linearizable(self.model, initial=key.initial).check(history, self.limits)
        return result.anomalies[0] if result.verdict is Verdict.INVALID else None

    def _forget(self, key: Key, pairs: list[Pair], moment: int) -> list[Pair]:
        rule = RULES.get(self.model)
        pairs = drop_looks(self.model, pairs, moment) if rule is None else rule(key, pairs, moment)
        if len(pairs) * 2 > self.most:
            pairs = drop_looks(self.model, pairs, moment)
        if len(pairs) * 2 > self.most and "queue" in self.model:
            pairs = ignore_oldest(key, pairs)
        if len(pairs) * 2 > 2 * self.most:
            key.blind, pairs = True, []
        return pairs

    def _contradiction(self, key: Key, pairs: Sequence[Pair]) -> Anomaly | None:
        """What operations held show against the summary of those that are not."""
        reads = [
            (call, end) for call, end in pairs if end is not None and end.type == "ok" and call.f == "read"
        ]
        if key.floor and all(call.f == "read" or call.value >= 0 for call, _ in pairs):
            total, when = key.floor
            for call, end in reads:
                if call.time > when and end.value < total:
                    text = f"read {end.value}, but {total} had been read before it asked"
                    return _anomaly("lost increment", text, call, end)
        for call, end in reads if key.members else ():
            missing = key.members - set(map(name, end.value or ()))
            if missing:
                text = f"did not see {min(missing).decode()}, which was known to be in before it asked"
                return _anomaly("lost element", text, call, end)
        return None


def judge_of(model: str | None, must_hold: Sequence[Checker]) -> Online | OnlineTransactions | None:
    """Return who can judge histories of this model while they are made, by what must hold of them; None if none can."""
    for checker in must_hold:
        if isinstance(checker, Transactions):
            judge = OnlineTransactions(checker.model, checker.expect)
            return None if judge.blind else judge
    return Online(model) if model is not None and model in MODELS else None


def _seen(key: Key, pair: Pair) -> Pair:
    """The operation on a set without the elements that are settled (`_contradiction` looks at those)."""
    call, end = pair
    if not key.members:
        return pair
    if call.f == "read" and end is not None and end.type == "ok" and end.value is not None:
        values = list(map(name, end.value))
        if len(set(values)) == len(values):
            left = [value for value, text in zip(end.value, values, strict=True) if text not in key.members]
            return call, msgspec.structs.replace(end, value=left)
    return pair


def events_of(pairs: Sequence[Pair]) -> list[Event]:
    """Return the events of these operations in their order."""
    events = [event for pair in pairs for event in pair if event is not None]
    return sorted(events, key=lambda event: event.index)


def _anomaly(kind: str, text: str, call: Event, end: Event) -> Anomaly:
    detail = Contradiction(minimal=False)
    sentence = f"p{call.process} {text} (answered at {end.time / 1e9:.3f} s)"
    return Anomaly(kind, sentence, call.key, [call.index, end.index], call.index, detail)
