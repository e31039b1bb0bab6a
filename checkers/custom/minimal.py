"""The smallest part of a history that a user's model does not explain either.

An operation is left out only in a sound way: it is kept as one of unknown outcome. If it then changes no state that
the search of what is left can reach, the search is the same without it, and it is not shown.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from quorate.checkers.custom.model import Model
from quorate.checkers.custom.search import Budget, Operation, Search
from quorate.harness.core.verdict import Verdict

# No single decision on the way takes longer, and no contradiction: who waits for a verdict wants it more than that.
_ONE_S: Final = 1.0
_ALL_S: Final = 5.0


class Sub(NamedTuple):
    """Operations of a contradiction, whether no more can be left out, and the last of those known to return."""

    operations: list[Operation]
    minimal: bool
    culprit: Operation


class _Reducer:
    def __init__(self, model: Model, budget: Budget) -> None:
        self.model = model
        self.budget = budget
        self.complete = True
        self.until = time.perf_counter() + _ALL_S

    def judged(self, operations: Sequence[Operation]) -> Search | None:
        """Return the search that shows these invalid; none where they are not, or it takes too long."""
        search = Search(self.model, operations, self.budget, time.perf_counter() + _ONE_S)
        verdict, _ = search.run()
        self.complete = self.complete and verdict is not Verdict.UNKNOWN
        return search if verdict is Verdict.INVALID else None

    def narrow(self, kept: list[Operation]) -> list[Operation]:
        """Weaken completed operations, many at a time first (delta debugging), until no single one can be."""
        chunk = len(kept)
        while True:
            changed, first = False, 0
            whole = [one.call for one in kept if one.end is not None]
            while first < len(whole):
                out = set(whole[first : first + chunk])
                rest = [one.weaker() if one.call in out else one for one in kept]
                if self.judged(rest):
                    kept, changed = rest, True
                first += chunk
                if self.budget.over(self.until):
                    self.complete = False
                    return kept
            if chunk == 1 and not changed:
                return kept
            chunk = max(1, chunk // 2)


def reduce(model: Model, operations: Sequence[Operation], stuck: int, budget: Budget) -> Sub:
    """Reduce operations of which nothing explains the return of number `stuck`."""
    reducer, end = _Reducer(model, budget), operations[stuck].end or 0
    until = [one for one in operations if one.call < end]
    kept = [one.weaker() if one.end is not None and one.end > end else one for one in until]
    kept = reducer.narrow(kept)
    final = reducer.judged(kept)
    if final is not None:
        kept = [one for one in kept if one.end is not None or one.kind in final.changing]
    culprit = max((one for one in kept if one.end is not None), key=lambda one: one.end or 0)
    return Sub(kept, reducer.complete, culprit)
