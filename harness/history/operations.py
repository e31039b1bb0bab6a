"""The client operations of a history as columns, and which of them the service answered.

Everything that counts is computed on columns, so that a million operations take well under a second.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from quorate.harness.core.outcome import ANSWERED, UNASKED, marked
from quorate.harness.history.columns import FAIL, INFO, INVOKE, NONE, OK, Columns

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

OUTCOMES: Final[Mapping[int, str]] = {OK: "ok", FAIL: "fail", INFO: "info"}
NEVER: Final = -1
_SPARSE: Final = 1 << 22
_CODED: Final = ("begin_ns", "end_ns", "outcome", "f", "node", "error")


@dataclass(frozen=True, slots=True, eq=False)
class Operations:
    """Parallel arrays, one entry per invocation by a client, in real-time order.

    Times are nanoseconds since the run's start; `end_ns` is `NEVER` without completion, whose `outcome` is `INFO`. `f`,
    `node` (the one that was asked) and `error` are positions in the lists beside them; a node that is not known is "",
    an error that is none is None.
    """

    begin_ns: Ints
    end_ns: Ints
    outcome: Ints
    f: Ints
    node: Ints
    error: Ints
    functions: list[str]
    nodes: list[str]
    errors: list[Any]

    def __len__(self) -> int:
        return len(self.begin_ns)

    @property
    def begin_s(self) -> Floats:
        """When they began, in seconds."""
        return self.begin_ns / 1e9

    @property
    def end_s(self) -> Floats:
        """When they ended, in seconds; infinite for those that never did."""
        return np.where(self.end_ns == NEVER, np.inf, self.end_ns / 1e9)

    def served(self) -> Bools:
        """Return True where the service answered: ok, or refused because of its state (`Refused.answered`)."""
        found: Bools = (self.outcome == OK) | ((self.outcome == FAIL) & self._marked(ANSWERED))
        return found

    def reached(self) -> Self:
        """Return those that the service had a part in, without refusals by a client that knew better than to ask."""
        chosen = ~self._marked(UNASKED)
        return dataclasses.replace(self, **{name: getattr(self, name)[chosen] for name in _CODED})

    def by_node(self) -> Iterator[tuple[str, Ints]]:
        """Yield each node that was asked, and the positions of its operations."""
        for code, name in enumerate(self.nodes):
            mine = np.flatnonzero(self.node == code) if name else ()
            if len(mine):
                yield name, np.asarray(mine)

    def _marked(self, mark: str) -> Bools:
        """Return True where the error carries this mark."""
        carries = np.array([marked(error, mark) for error in self.errors], dtype=bool)
        found: Bools = carries[self.error] if len(carries) else np.zeros(len(self), dtype=bool)
        return found


def of(columns: Columns) -> Operations:
    """Return the operations of a history."""
    at = np.flatnonzero((columns.kind == INVOKE) & (columns.process >= 0))
    done = columns.pair[at] != NONE
    after = np.where(done, columns.pair[at], 0).astype(np.int64)
    f, functions = coded(columns, columns.f[at])
    node, nodes = coded(columns, columns.node[at])
    error, errors = coded(columns, np.where(done, columns.error[after], 0))
    return Operations(
        begin_ns=columns.time[at].astype(np.int64),
        end_ns=np.where(done, columns.time[after], NEVER).astype(np.int64),
        outcome=np.where(done, columns.kind[after], INFO).astype(np.int64),
        f=f,
        node=node,
        error=error,
        functions=texts(functions),
        nodes=texts(nodes),
        errors=errors,
    )


def coded(columns: Columns, handles: npt.NDArray[Any]) -> tuple[Ints, list[Any]]:
    """Number the distinct values behind handles in order of appearance; return the numbers, and the values."""
    order, codes = numbered(np.asarray(handles, dtype=np.int64))
    return codes, list(columns.texts(order.astype(np.uint32)))


def numbered(handles: Ints) -> tuple[Ints, Ints]:
    """The distinct handles in order of appearance, and the number of each; linear, for handles count from 0."""
    most = int(handles.max()) if len(handles) else -1
    if most > max(_SPARSE, len(handles)):
        found, at, codes = np.unique(handles, return_index=True, return_inverse=True)
        turn = np.argsort(at)
        return found[turn], np.argsort(turn)[codes]
    first = np.full(most + 1, len(handles), dtype=np.int64)
    first[handles[::-1]] = np.arange(len(handles))[::-1]  # of several writes the last stays: the first place
    present = np.flatnonzero(first < len(handles))
    order = present[np.argsort(first[present])]
    number = np.zeros(most + 1, dtype=np.int64)
    number[order] = np.arange(len(order))
    return order, number[handles]


def texts(values: list[Any]) -> list[str]:
    """Return them as text, "" for None."""
    return ["" if value is None else str(value) for value in values]
