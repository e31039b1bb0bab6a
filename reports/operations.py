"""The operations of a history with everything that a reader of a report is shown of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from quorate.harness.core.results import Statistics
from quorate.harness.core.statistics import summarise
from quorate.harness.history import Columns, History
from quorate.harness.history import operations as plain
from quorate.harness.history.columns import INVOKE, NO_VERSION, NONE
from quorate.harness.history.operations import NEVER, Ints, coded, texts

# Reports show the head of a huge value; the journal holds the whole.
VALUE_LENGTH_MAX: Final = 4096
_NULL: Final = 0


@dataclass(frozen=True, slots=True, eq=False)
class Operations(plain.Operations):
    """Columns of equal length, beside those that figures need.

    `begin_us` and `end_us` (`NEVER` without completion) are microseconds since the run's start, and in order. `place`
    is the node that answered, or else was asked, a position in `nodes`. `key`, `asked` and `got` are positions in the
    lists of JSON texts: the key, the value of the invocation and that of the completion. `version` is -1 where none
    was reported. `invoked` and `completed` are indexes of events in the history (`completed` -1 where none).
    """

    begin_us: Ints
    end_us: Ints
    process: Ints
    place: Ints
    key: Ints
    asked: Ints
    got: Ints
    version: Ints
    invoked: Ints
    completed: Ints
    keys: list[str]
    texts: list[str]

    @property
    def took_us(self) -> Ints:
        """Latency in microseconds, `NEVER` where the operation never came back."""
        return np.where(self.end_us == NEVER, NEVER, self.end_us - self.begin_us)

    def at(self, event: int) -> int | None:
        """Return the operation that an event (invocation or completion) belongs to, by the event's index."""
        position = int(np.searchsorted(self.invoked, event))
        if position < len(self) and self.invoked[position] == event:
            return position
        found = np.flatnonzero(self.completed == event)
        return int(found[0]) if len(found) else None

    def error_text(self, at: int) -> str:
        """Return the error of one operation as JSON."""
        return as_json(self.errors[int(self.error[at])])

    def statistics(self) -> Statistics:
        """Count outcomes and latencies, for runs that were never judged."""
        end_s = float(max(self.end_us.max(), self.begin_us.max())) / 1e6 if len(self) else 0.0
        return summarise(self, end_s)


COLUMNS: Final = (
    "begin_ns", "end_ns", "outcome", "f", "node", "error", "begin_us", "end_us", "process", "place", "key", "asked",
    "got", "version", "invoked", "completed",
)  # fmt: skip
LISTS: Final = ("functions", "nodes", "errors", "keys", "texts")


def none() -> Operations:
    """Return no operations at all."""
    empty: Ints = np.zeros(0, dtype=np.int64)
    return Operations(**dict.fromkeys(COLUMNS, empty), **{name: [] for name in LISTS})  # type: ignore[arg-type]


def of(history: History) -> Operations:
    """Return the operations of a history."""
    c = history.columns
    figures = plain.of(c)
    at = np.flatnonzero((c.process >= 0) & (c.kind == INVOKE))
    done = c.pair[at] != NONE
    after = np.where(done, c.pair[at], 0).astype(np.int64)
    version = np.where(done & (c.version[after] != NO_VERSION), c.version[after], -1)
    asked_or_answered = np.concatenate(
        (c.node[at], np.where(done & (c.node[after] != _NULL), c.node[after], c.node[at]))
    )
    node, nodes = coded(c, asked_or_answered)
    key, keys = _as_json(c, c.key[at])
    values, shown = _as_json(c, np.concatenate((c.value[at], np.where(done, c.value[after], _NULL))))
    begin = in_order(figures.begin_ns // 1000)
    return Operations(
        begin_ns=figures.begin_ns,
        end_ns=figures.end_ns,
        outcome=figures.outcome,
        f=figures.f,
        node=node[: len(at)],
        error=figures.error,
        functions=figures.functions,
        nodes=texts(nodes),
        errors=figures.errors,
        begin_us=begin,
        end_us=np.where(done, np.maximum(figures.end_ns // 1000, begin), NEVER),
        process=c.process[at],
        place=node[len(at) :],
        key=key,
        asked=values[: len(at)],
        got=values[len(at) :],
        version=version,
        invoked=c.index[at],
        completed=np.where(done, c.index[after], -1),
        keys=keys,
        texts=shown,
    )


def in_order(times: Ints) -> Ints:
    """Events stand in real-time order; times that deny it (a damaged or foreign file) take the one before."""
    ordered: Ints = np.maximum.accumulate(np.maximum(times, 0)) if len(times) else times
    return ordered


def as_json(value: Any) -> str:
    """Return the head of a value as JSON."""
    if type(value) is int:
        return str(value)
    return msgspec.json.encode(value)[:VALUE_LENGTH_MAX].decode("utf-8", "replace")


def _as_json(columns: Columns, handles: Any) -> tuple[Ints, list[str]]:
    """Number the distinct values in order of appearance; return the numbers, and the values as JSON."""
    codes, values = coded(columns, handles)
    return codes, [as_json(value) for value in values]
