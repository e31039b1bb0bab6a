"""The operations of a history as parallel arrays: one entry per invocation by a client, in real-time order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from quorate.harness.core.results import Counts, Statistics
from quorate.harness.history import Columns, History

Ints = npt.NDArray[np.int64]

OK: Final = 0
FAIL: Final = 1
INFO: Final = 2
OUTCOMES: Final = ("ok", "fail", "info")
NEVER: Final = -1

# Reports show the head of a huge value; the journal holds the whole.
VALUE_LENGTH_MAX: Final = 4096
_NULL: Final = 0
_NONE: Final = 0xFFFFFFFF
_NO_VERSION: Final = -(2**63)


@dataclass(frozen=True, slots=True, eq=False)
class Operations:
    """Columns of equal length. Times in microseconds since the run's start; `end_us` is `NEVER` without completion.

    `f`, `key`, `asked`, `got`, `node` and `error` are positions in the lists of texts beside them; keys and values are
    JSON texts. `asked` is the value of the invocation, `got` that of the completion. `version` is -1 where none was
    reported. `invoked` and `completed` are indexes of events in the history (`completed` -1 where none).
    """

    begin_us: Ints
    end_us: Ints
    process: Ints
    outcome: Ints
    f: Ints
    key: Ints
    asked: Ints
    got: Ints
    node: Ints
    error: Ints
    version: Ints
    invoked: Ints
    completed: Ints
    functions: list[str]
    keys: list[str]
    texts: list[str]
    nodes: list[str]
    errors: list[str]

    def __len__(self) -> int:
        return len(self.begin_us)

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

    def statistics(self) -> Statistics:
        """Count outcomes and latencies, for runs that were never judged."""
        end_s = float(max(self.end_us.max(), self.begin_us.max())) / 1e6 if len(self) else 0.0
        counts = self._counts(np.ones(len(self), dtype=bool))
        return Statistics(
            operations=len(self),
            ok=counts.ok,
            fail=counts.fail,
            info=counts.info,
            rate_per_s=round(counts.ok / end_s, 1) if end_s else None,
            by_function={name: self._counts(self.f == code) for code, name in enumerate(self.functions)},
            by_node={name: self._counts(self.node == code) for code, name in enumerate(self.nodes) if name},
        )

    def _counts(self, chosen: npt.NDArray[np.bool_]) -> Counts:
        outcome = self.outcome[chosen]
        took = self.took_us[chosen & (self.outcome == OK)] / 1e3
        quantiles = {}
        if len(took):
            marks = np.percentile(took, [50, 95, 99, 100])
            quantiles = dict(
                zip(("p50", "p95", "p99", "max"), (round(float(x), 3) for x in marks), strict=True)
            )
        ok, fail, info = (int((outcome == code).sum()) for code in (OK, FAIL, INFO))
        return Counts(ok, fail, info, quantiles)


def none() -> Operations:
    """Return no operations at all."""
    empty: Ints = np.zeros(0, dtype=np.int64)
    return Operations(**dict.fromkeys(COLUMNS, empty), functions=[], keys=[], texts=[], nodes=[], errors=[])


COLUMNS: Final = (
    "begin_us", "end_us", "process", "outcome", "f", "key", "asked", "got", "node", "error", "version", "invoked",
    "completed",
)  # fmt: skip


def of(history: History) -> Operations:
    """Return the operations of a history."""
    c = history.columns
    at = np.flatnonzero((c.process >= 0) & (c.kind == 0))
    pair = c.pair[at].astype(np.int64)
    done = pair != _NONE
    after = np.where(done, pair, 0)
    # The kinds of completions are 1 ok, 2 fail, 3 info; without one nobody knows.
    outcome = np.where(done, c.kind[after].astype(np.int64) - 1, INFO)
    version = np.where(done & (c.version[after] != _NO_VERSION), c.version[after], -1)
    node = np.where(done & (c.node[after] != _NULL), c.node[after], c.node[at])
    begin = in_order(c.time[at] // 1000)
    f, functions = _coded(c, c.f[at], plain=True)
    key, keys = _coded(c, c.key[at])
    nodes_code, nodes = _coded(c, node, plain=True)
    error, errors = _coded(c, np.where(done, c.error[after], _NULL))
    values, texts = _coded(c, np.concatenate((c.value[at], np.where(done, c.value[after], _NULL))))
    return Operations(
        begin_us=begin,
        end_us=np.where(done, np.maximum(c.time[after] // 1000, begin), NEVER),
        process=c.process[at],
        outcome=outcome,
        f=f,
        key=key,
        asked=values[: len(at)],
        got=values[len(at) :],
        node=nodes_code,
        error=error,
        version=version,
        invoked=c.index[at],
        completed=np.where(done, c.index[after], -1),
        functions=functions,
        keys=keys,
        texts=texts,
        nodes=nodes,
        errors=errors,
    )


def in_order(times: Ints) -> Ints:
    """Events stand in real-time order; times that deny it (a damaged or foreign file) take the one before."""
    ordered: Ints = np.maximum.accumulate(np.maximum(times, 0)) if len(times) else times
    return ordered


def _coded(columns: Columns, handles: Any, *, plain: bool = False) -> tuple[Ints, list[str]]:
    """Number the distinct values in order of appearance; `plain` gives strings themselves and "" for null."""
    codes, order = pd.factorize(np.asarray(handles, dtype=np.int64))
    texts: list[str] = []
    encode = msgspec.json.Encoder().encode
    for value in columns.texts(order.astype(np.uint32)):
        if plain:
            texts.append("" if value is None else str(value))
        else:
            texts.append(
                str(value)
                if type(value) is int
                else encode(value)[:VALUE_LENGTH_MAX].decode("utf-8", "replace")
            )
    return codes.astype(np.int64), texts
