"""Transactions judged during the run: fed event by event, memory flat, an early `invalid` that is final.

Every `batch` events what is held is judged by the engine of finished histories, and what is settled goes
(`checkers.forgetting.transactions` says why an alarm is final whatever was left out). What is missed is found in the
finished history, which is judged in any case.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from quorate.checkers.forgetting.cells import Cells
from quorate.checkers.forgetting.lists import Lists
from quorate.checkers.forgetting.transactions import DIRTY, ForeignError, Txn, Window
from quorate.checkers.names import UnknownNameError, consistency_named, unknown
from quorate.checkers.transactions import MODELS, STRICTEST, Transactions
from quorate.harness.core.verdict import Anomaly, Limits, Verdict
from quorate.harness.history.event import NEMESIS, Event
from quorate.harness.history.history import History

# Transactions held before keys are given up, those first that were not touched for longest.
_MANY: Final = 2_000


class OnlineTransactions:
    """Feed it every event of the run in order; it returns an anomaly as soon as one is certain.

    `expect` is the consistency model that must hold; those that allow to see uncommitted writes are judged at the end
    only (`blind`). `batch` is the number of events between two looks, `most` the
    number of transactions that may stay held after one, `limits` those of one look. A history that is not a list of
    transactions is judged no more: the finished one will show.
    """

    def __init__(
        self,
        model: Literal["append", "rw"] = "append",
        expect: str = STRICTEST,
        *,
        batch: int = 2000,
        limits: Limits | None = None,
        most: int = _MANY,
    ) -> None:
        if model not in MODELS:
            raise UnknownNameError(unknown("model of transactions", model, MODELS))
        expect = consistency_named(expect)
        self.batch = batch
        self.limits = limits or Limits(time_s=1.0, memory_bytes=256 << 20)
        self.most = most
        self.anomaly: Anomaly | None = None
        self.blind = expect in DIRTY
        self._checker = Transactions(model, expect)
        self._window: Window = Lists(expect) if model == "append" else Cells(expect)
        self._held: dict[int, Txn] = {}
        self._asking: dict[int | str, Txn] = {}
        self._returned: list[Txn] = []
        self._waiting = 0
        self._now = 0

    @property
    def held(self) -> int:
        """How many transactions are held."""
        return len(self._held)

    def feed(self, event: Event) -> Anomaly | None:
        """Take the next event; return the anomaly once one is known, and from then on."""
        if self.anomaly is not None or self.blind or event.process == NEMESIS or event.f != "txn":
            return self.anomaly
        self._now = max(self._now, event.time)
        try:
            self._take(event)
            self._waiting += 1
            if self._waiting >= self.batch:
                self._look()
        except ForeignError:
            self._give_up()
        return self.anomaly

    def look(self) -> Anomaly | None:
        """Judge all that has come since the last look: the end of the stream, or of a moment."""
        self._now += 1
        if self.anomaly is None and not self.blind:
            try:
                self._look()
            except ForeignError:
                self._give_up()
        return self.anomaly

    def _give_up(self) -> None:
        self.blind = True
        self._held, self._asking, self._returned = {}, {}, []

    def _take(self, event: Event) -> None:
        if event.type == "invoke":
            txn = Txn(event)
            if event.process in self._asking:
                raise ForeignError(event.process)  # no history is like that
            self._asking[event.process] = self._held[event.index] = txn
            self._window.asked(txn)
            return
        asked = self._asking.pop(event.process, None)
        if asked is not None:
            asked.end = event
            self._returned.append(asked)

    def _look(self) -> None:
        self._waiting = 0
        self._window.looks += 1
        # What returned at the present moment may have read what is called at the same time, in an event still to come.
        early = [txn for txn in self._returned if txn.end is not None and txn.end.time < self._now]
        self._returned = [txn for txn in self._returned if txn.end is not None and txn.end.time >= self._now]
        for txn in early:
            txn.open = False
            self.anomaly = self._window.answered(txn)
            if self.anomaly is not None:
                return
        self.anomaly = self._engine()
        if self.anomaly is None:
            self._forget()

    def _engine(self) -> Anomaly | None:
        events = self._projection()
        if not events:
            return None
        # The event at the end keeps times what they are where all that is held has one time.
        end = Event(events[-1].index + 1, self._now + 1, NEMESIS, "info", "online")
        result = self._checker.check(History.of([*events, end]), self.limits)
        if result.verdict is not Verdict.INVALID:
            return None
        return next((anomaly for anomaly in result.anomalies if not self._left_open(anomaly.name)), None)

    def _left_open(self, anomaly: str) -> bool:
        """Whether the finished history may not be said to be wrong for this: it is reported at the end, or not at all.

        Writes that are neighbours among those held may have another between them, which only the weakest model minds;
        and conflicts of writes that were never read are sought in small histories only.
        """
        weakest = self._checker.expect == "cursor-stability"
        return anomaly.startswith("write-conflict") or (weakest and anomaly == "lost-update")

    def _projection(self) -> list[Event]:
        events: list[Event] = []
        for txn in self._held.values():
            ops = self._window.shown(txn)
            if not ops:
                continue
            outcome = txn.outcome
            asked: Any = None if outcome == "ok" else ops
            call = txn.call
            events.append(Event(call.index, call.time, call.process, "invoke", "txn", None, asked))
            if txn.end is not None:
                end, value = txn.end, ops if outcome == "ok" else None
                kind = end.type if txn.known else "info"
                events.append(Event(end.index, end.time, end.process, kind, "txn", None, value))
        events.sort(key=lambda event: event.index)
        return events

    def _forget(self) -> None:
        window, held = self._window, self._held
        asked = min((txn.call.time for txn in held.values() if txn.open), default=self._now)
        since = min(asked, self._now)
        window.settle(held.values(), since)
        # What is older than the newest quarter of what may be held does not hold back others.
        newest = [*held.values()][-(self.most // 4) :]
        loose = (txn.call.time for txn in newest if txn.outcome == "ok" and window.loose(txn))
        since = min(since, min(loose, default=since))
        for index in [index for index, txn in held.items() if window.over(txn, since)]:
            window.drop(held.pop(index))
        if len(held) > self.most:
            self._drop_unseen()
            self._leave_keys()

    def _drop_unseen(self) -> None:
        """Give up the oldest of those that failed, or whose outcome is unknown, until they are a quarter."""
        unseen = [index for index, txn in self._held.items() if not txn.open and txn.outcome != "ok"]
        for index in unseen[: max(0, len(unseen) - self.most // 4)]:
            self._window.drop(self._held.pop(index))

    def _leave_keys(self) -> None:
        """Judge the keys no more that were not touched for longest, until a quarter of the room is free again.

        Those in use only as the last resort, and only until what is held fits.
        """
        window = self._window
        uses = {index: sum(not key.left for _, key, _ in txn.ops) for index, txn in self._held.items()}
        on: dict[int, list[int]] = {}
        for index, txn in self._held.items():
            for _, key, _ in txn.ops:
                on.setdefault(id(key), []).append(index)
        for key in sorted(window.keys.values(), key=lambda key: int(key.touched)):
            in_use = key.touched >= window.looks - 1
            if len(self._held) <= (self.most if in_use else self.most * 3 // 4):
                return
            window.leave(key)
            for index in on.get(id(key), ()):
                uses[index] -= 1
                if uses[index] <= 0 and index in self._held and not self._held[index].open:
                    del self._held[index]
