"""The client operations of a history as columns, and which of them the service answered.

Everything that counts is computed on columns, so that a million operations take well under a second.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from quorate.harness.core.outcome import ANSWERED, UNASKED, marked
from quorate.harness.history import Columns
from quorate.harness.history.columns import FAIL, INFO, INVOKE, NONE, OK

Ints = npt.NDArray[np.int64]


class Operations:
    """Client operations as parallel arrays: one entry per invocation, `outcome` 1 ok, 2 fail, 3 info."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        invoked = np.flatnonzero((columns.kind == INVOKE) & (columns.process >= 0))
        pair = columns.pair[invoked]
        done = pair != NONE
        position = np.where(done, pair, 0).astype(np.int64)
        self.at: Ints = invoked.astype(np.int64)
        self.completion: Ints = np.where(done, position, -1)
        self.begin_s = columns.time[invoked] / 1e9
        self.end_s = np.where(done, columns.time[position] / 1e9, np.inf)
        self.outcome = np.where(done, columns.kind[position], INFO).astype(np.int64)
        self.f = columns.f[invoked]
        self.node = columns.node[invoked]
        self.error = np.where(done, columns.error[position], 0)

    def asked(self) -> Operations:
        """Return those that the service had a part in, without refusals by a client that knew better than to ask."""
        chosen = ~np.isin(self.error, _marked(self, UNASKED))
        found = copy.copy(self)
        for name in ("at", "completion", "begin_s", "end_s", "outcome", "f", "node", "error"):
            setattr(found, name, getattr(self, name)[chosen])
        return found

    def __len__(self) -> int:
        return len(self.at)

    def by_node(self) -> Iterator[tuple[str, Ints]]:
        """Yield each node that was asked, and the positions of its operations."""
        for handle in np.unique(self.node):
            name = self.columns.text(int(handle))
            if name is not None:
                yield str(name), np.flatnonzero(self.node == handle)


def served_mask(operations: Operations) -> npt.NDArray[np.bool_]:
    """Return True where the service answered: ok, or refused because of the state it holds (`Refused.answered`)."""
    refused = (operations.outcome == FAIL) & np.isin(operations.error, _marked(operations, ANSWERED))
    served: npt.NDArray[np.bool_] = (operations.outcome == OK) | refused
    return served


def _marked(operations: Operations, mark: str) -> list[int]:
    """Return the handles of errors that carry this mark."""
    errors = ((int(handle), operations.columns.text(int(handle))) for handle in np.unique(operations.error))
    return [handle for handle, error in errors if marked(error, mark)]
