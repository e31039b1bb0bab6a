"""Numbers handed out by a service: each once, and in real time one after the other."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
import numpy.typing as npt

from quorate.checkers.replies import confirmed
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict
from quorate.harness.history import History
from quorate.harness.history.columns import NONE, OK

_TOLD_MAX: Final = 20
_NS: Final = 1e9


class NumbersGrow:
    """No number is given twice for a key, and none is below one that was known before it was asked for.

    Every operation that is ok carries its number as its value. An answer that was lost may have used up any number, and
    gaps mean nothing. O(n log n).
    """

    name = "numbers-grow"

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; unknown where no number was given."""
        del limits
        started = time.perf_counter()
        columns = history.columns
        done = np.flatnonzero((columns.kind == OK) & (columns.pair != NONE) & (columns.process >= 0))
        values = np.array([int(value) for value in columns.texts(columns.value[done])], dtype=np.int64)
        found: list[Anomaly] = []
        for key in np.unique(columns.key[done]):
            mine = columns.key[done] == key
            found += _judge(history, done[mine], values[mine])
        result = Result(
            guarantee=self.name,
            verdict=Verdict.INVALID if found else Verdict.VALID if len(done) else Verdict.UNKNOWN,
            engine="sweep",
            reason=f"{len(found)} violations" if found else "" if len(done) else "no number was given",
            operations=len(done),
            anomalies=sorted(found, key=lambda one: one.events[-1])[:_TOLD_MAX],
            time_s=time.perf_counter() - started,
            stats={"numbers": len(done), "violations": len(found)},
        )
        return confirmed(result, history)


def _judge(history: History, done: npt.NDArray[np.int64], values: npt.NDArray[np.int64]) -> list[Anomaly]:
    """One key; `done` are the positions of completions, in the order of time, with what they returned."""
    columns = history.columns
    order = np.argsort(values, kind="stable")
    twice = np.flatnonzero(np.diff(values[order]) == 0)
    pairs = [("number given twice", int(order[at]), int(order[at + 1])) for at in twice.tolist()]
    # How many answers had come strictly before each call; ties are concurrent.
    known = np.searchsorted(columns.time[done], columns.time[columns.pair[done]], side="left")
    highest = np.maximum.accumulate(values)
    late = np.flatnonzero((known > 0) & (values < highest[np.maximum(known, 1) - 1]))
    pairs += [("number went back", int(np.argmax(values[: known[at]])), int(at)) for at in late.tolist()]
    return [_anomaly(history, name, int(done[first]), int(done[second])) for name, first, second in pairs]


def _anomaly(history: History, name: str, first: int, second: int) -> Anomaly:
    columns = history.columns
    one, other = history.event(first), history.event(second)
    which = one.value if name == "number went back" else "the same number"
    when = f", before p{other.process} asked" if name == "number went back" else ""
    text = (
        f"p{other.process} was given {other.value} of {other.key} at {other.time / _NS:.3f} s, "
        f"but p{one.process} had been given {which} at {one.time / _NS:.3f} s{when}"
    )
    places = sorted({first, second, int(columns.pair[first]), int(columns.pair[second])})
    return Anomaly(
        name=name,
        sentence=text,
        key=other.key,
        events=[int(columns.index[place]) for place in places],
        culprit=int(columns.index[columns.pair[second]]),
    )
