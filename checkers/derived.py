"""Registers that a history implies without having them as operations: reads and writes between two moments.

Each has its own process, since what one client saw may overlap; anomalies are reported with the events and
processes that they were made from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from quorate.checkers.linearizable import Linearizable
from quorate.checkers.replays import replayed
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict
from quorate.harness.history import Event, History

_FROM: Final = 10**12  # their process numbers
_NUMBER: Final = re.compile(r"\bp(1\d{12})\b")


def decided(
    guarantee: str,
    order: Result,
    found: Sequence[Anomaly],
    missing: str,
    *,
    operations: int,
    started: float,
    stats: Mapping[str, Any],
) -> Result:
    """The word of a checker that replays and has registers judged: `order` is what was said of those."""
    every = [*order.anomalies, *found]
    word = replayed(guarantee, every, missing, operations=operations, started=started, stats=stats)
    undecided = word.verdict is Verdict.VALID
    return msgspec.structs.replace(
        word,
        verdict=order.verdict if undecided else word.verdict,
        engine=f"replay, {order.engine}",
        reason=order.reason if undecided else word.reason,
        cpu_s=order.cpu_s,
        memory_mb=order.memory_mb,
        parts=order.parts,
        confirmed_by=None if found else order.confirmed_by,
    )


class Derived:
    """Add what was read and written, then judge. Of one time, beginnings come first and ends last: ties overlap."""

    def __init__(self) -> None:
        self.reads = 0
        self._line: list[
            tuple[int, int, Event, Event]
        ] = []  # time, rank within it, new event, what implies it
        self._who: dict[int, Event] = {}

    def read(self, key: str, value: Any, begun: int, ended: int, source: Event) -> None:
        """The key had the value at some time between the two, in ns."""
        self.reads += 1
        number = self._number(source)
        self._line.append((begun, 0, Event(0, begun, number, "invoke", "read", key), source))
        self._line.append((ended, 2, Event(0, ended, number, "ok", "read", key, value), source))

    def write(self, key: str, value: Any, call: Event, end: Event | None) -> None:
        """An operation that set the key; without an end it may have happened or not."""
        number = self._number(call)
        self._line.append((call.time, 1, Event(0, call.time, number, "invoke", "write", key, value), call))
        if end is not None:
            self._line.append((end.time, 1, Event(0, end.time, number, end.type, "write", key, value), end))

    def judge(self, limits: Limits, what: str) -> Result:
        """Judge each key as a register; `what` is put before the processes that sentences speak of."""
        self._line.sort(key=lambda one: one[:2])
        begun: dict[int | str, int] = {}
        events = []
        for at, (_, _, event, _) in enumerate(self._line):
            pair = None if event.type == "invoke" else begun[event.process]
            begun[event.process] = at
            events.append(msgspec.structs.replace(event, index=at, index_of_invoke=pair))
        table = [source.index for _, _, _, source in self._line]
        result = Linearizable("register", every_key=True).check(History.of(events), limits)
        return msgspec.structs.replace(
            result, anomalies=[self._back(anomaly, table, what) for anomaly in result.anomalies]
        )

    def _number(self, source: Event) -> int:
        number = _FROM + len(self._who)
        self._who[number] = source
        return number

    def _back(self, anomaly: Anomaly, table: Sequence[int], what: str) -> Anomaly:
        """The anomaly with the events and processes of the history that was given."""
        who: Mapping[int, Event] = self._who

        def named(found: re.Match[str]) -> str:
            source = who[int(found[1])]
            return f"p{source.process}" if source.type == "invoke" else f"{what} of p{source.process}"

        culprit = None if anomaly.culprit is None else table[anomaly.culprit]
        # Its certificate names events of the derived registers, which the history does not have.
        detail = msgspec.structs.replace(anomaly.detail, certificate=None)
        return msgspec.structs.replace(
            anomaly,
            sentence=_NUMBER.sub(named, anomaly.sentence),
            events=sorted({table[index] for index in anomaly.events}),
            culprit=culprit,
            detail=detail,
        )
