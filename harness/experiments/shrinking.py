"""From a run that shows an anomaly to the smallest one found that still does: greedy, pass by pass, to a fixpoint.

In real time each candidate is a question for the sequential test: does it show the anomaly about as often as the run
it came from? In virtual time a seed decides everything, so a candidate is enough if one of a few seeds shows it, and
that seed is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from quorate.harness.core.signature import Signature
from quorate.harness.core.test import UsageError
from quorate.harness.experiments.candidate import Candidate, drawn_of, seen_s
from quorate.harness.experiments.decide import Budget, Decision, Runs, count, decide
from quorate.harness.experiments.memo import Memo
from quorate.harness.experiments.sequential import Question, Tally
from quorate.harness.experiments.smaller import (
    PASSES,
    Move,
    Pass,
    fewer_operations,
    operations_left,
    until,
)

_ROUNDS_MAX: Final = 4
_SEEDS_MAX: Final = 12
_OPERATIONS_AT_ONCE: Final = 4000.0  # in virtual time: of all seeds that are tried for one candidate
_RUNS_MAX: Final = 40
_FIRST_RUNS: Final = 8
_SHORT_MAX, _BRIEF_S, _SEEDS_OF_BRIEF = (
    16,
    0.5,
    40,
)  # where a run costs next to nothing, and few seeds show it
_PROVED_MAX: Final = 8  # operations that are few enough, final reads apart


class Step(msgspec.Struct, frozen=True):
    """One candidate that was decided: its words, the answer, and how small the smallest is now."""

    number: int
    words: str
    decision: Decision
    now: Candidate
    remembered: bool = False


class Shrunk(msgspec.Struct, frozen=True):
    """The end: where it began, where it came to, how often each shows the anomaly, and whether no time was left."""

    start: Candidate
    end: Candidate
    at_start: Decision
    at_end: Decision
    steps: int
    out_of_time: bool


class NotShownError(Exception):
    """The run that is to be shrunk does not show its anomaly again; the text says what was tried."""


class Shrinker:
    """Shrinks one run. `error` bounds each decision's; `budget_s` the time after which nothing new is asked."""

    def __init__(
        self,
        trials: Runs,
        memo: Memo,
        folder: Path,
        wanted: Collection[Signature],
        *,
        error: float = 0.1,
        budget_s: float = 3600.0,
        listener: Callable[[Step], None] = lambda _: None,
        asking: Callable[[str, Tally], None] = lambda _, __: None,
    ) -> None:
        self._trials = trials
        self._memo = memo
        self._folder = folder
        self._wanted = wanted
        self._error = error
        self._budget_s = budget_s
        self._listener = listener
        self._asking = asking
        self._steps = 0
        self._told: set[str] = set()
        self._end_s = 0.0
        self._out_of_time = False
        self._question = Question()
        self._shown: str | None = None

    async def shrink(self, start: Candidate, passes: Sequence[Pass] = PASSES, *, confirm: int = 20) -> Shrunk:
        """Shrink to a fixpoint or the end of the time, then count how often the result shows it.

        Raise `NotShownError` where the start itself does not show it.
        """
        self._end_s = _now_s() + self._budget_s
        at_start = await self._first(start)
        if at_start.answer != "yes":
            raise NotShownError(
                f"the anomaly did not come again: {at_start.tally.words()}"
                + (f"; the last said: {at_start.said}" if at_start.said else "")
            )
        rate = at_start.tally.hits / max(1, at_start.tally.tries)
        self._question = Question.about(rate, self._error)
        now, self._shown = _seeded(start, at_start), at_start.shown
        for _ in range(_ROUNDS_MAX):
            before = now
            for each in (*passes[:1], self._until_shown, *passes[1:], self._fewer_operations):
                now = await self._exhaust(each, now)
            if now == before or self._out_of_time:
                break
        at_end = await self._count(now, confirm)
        return Shrunk(start, now, at_start, at_end, self._steps, self._out_of_time)

    async def _exhaust(self, one: Pass, now: Candidate) -> Candidate:
        """Take the first move of the pass that is enough, and begin it anew, until none is."""
        again = True
        while again:
            again = False
            for move in one(now):
                decision = await self._ask(move, now)
                if decision is None:
                    return now
                if decision.answer == "yes":
                    now, again = _seeded(move.to, decision), True
                    self._shown = decision.shown
                    break
        return now

    def _until_shown(self, now: Candidate) -> Iterator[Move]:
        """Cut off what the last run that showed it did afterwards."""
        moment = None if self._shown is None else seen_s(Path(self._shown))
        if moment is not None:
            yield from until(now, moment)

    def _fewer_operations(self, now: Candidate) -> Iterator[Move]:
        """Leave out operations of the last run that showed it."""
        if self._shown is not None:
            yield from fewer_operations(now, drawn_of(Path(self._shown)))

    async def _ask(self, move: Move, now: Candidate) -> Decision | None:
        """Decide about a candidate, from memory where it was asked before; None where the time is over."""
        key = move.to.key
        known = self._memo.known(key)
        if known is None:
            if _now_s() >= self._end_s:
                self._out_of_time = True
                return None
            known = await self._decide(move.to, move.words)
            if known.answer == "undecided" and _now_s() >= self._end_s:
                self._out_of_time = True  # cut off by the budget: it is asked anew when there is more time
                return None
            if not (known.answer == "undecided" and known.tally.broken):  # what broke may work next time
                self._memo.add(key, move.words, known)
            self._tell(key, move, known, now, remembered=False)
        elif key not in self._told:
            self._tell(key, move, known, now, remembered=True)
        return known

    def _tell(self, key: str, move: Move, decision: Decision, now: Candidate, *, remembered: bool) -> None:
        self._told.add(key)
        self._steps += 1
        then = move.to if decision.answer == "yes" else now
        self._listener(Step(self._steps, move.words, decision, then, remembered))

    async def _decide(self, candidate: Candidate, words: str) -> Decision:
        if candidate.test.virtual:
            return await self._exact(candidate, _seeds(candidate))
        left_s = max(0.0, self._end_s - _now_s())
        try:
            return await decide(
                self._trials,
                candidate.written(self._folder),
                self._wanted,
                self._question,
                Budget(runs=_RUNS_MAX, seconds=left_s),
                quiet_ok=0,
                listener=lambda tally: self._asking(words, tally),
            )
        except UsageError as error:
            return Decision("no", Tally(), 0.0, said=str(error))

    async def _first(self, start: Candidate) -> Decision:
        """Whether the run as it was shows it again, and about how often: that is what smaller ones are held to."""
        key = f"start-{start.key}"
        known = self._memo.known(key)
        if known is None:
            if start.test.virtual:
                known = await self._exact(start, _SEEDS_MAX)
            else:
                known = await self._some(start, _FIRST_RUNS, "as it was", enough=3)
            self._memo.add(key, "as it was", known)
        self._listener(Step(0, "as it was", known, start))
        return known

    async def _count(self, end: Candidate, runs: int) -> Decision:
        """Count how often the result shows it, over seeds that follow its own."""
        key = f"end-{end.key}-{runs}"
        known = self._memo.known(key)
        if known is None:
            known = await self._some(end, runs, "how often", enough=runs)
            self._memo.add(key, "how often", known)
        return known

    async def _some(self, candidate: Candidate, runs: int, words: str, *, enough: int) -> Decision:
        test = candidate.written(self._folder)
        return await count(
            self._trials, test, self._wanted, runs, enough, lambda tally: self._asking(words, tally)
        )

    async def _exact(self, candidate: Candidate, seeds: int) -> Decision:
        """Try one seed after the other until one shows it: in virtual time that is a proof."""
        try:
            return await self._some(candidate, seeds, "", enough=1)
        except UsageError as error:
            return Decision("no", Tally(), 0.0, said=str(error))


def _seeded(candidate: Candidate, decision: Decision) -> Candidate:
    """Keep the seed that showed it, where the seed decides."""
    if not candidate.test.virtual or decision.seed is None:
        return candidate
    return candidate.but(seed=decision.seed)


def _seeds(candidate: Candidate) -> int:
    """How many seeds to try: more where a run costs little."""
    left = operations_left(candidate)
    if left is not None and left <= _PROVED_MAX:
        return 1  # its own: the others draw other operations
    if left is not None and left <= _SHORT_MAX and candidate.test.time <= _BRIEF_S:
        return _SEEDS_OF_BRIEF
    operations = left or candidate.test.time * (candidate.test.rate or 10_000.0)
    return max(1, min(_SEEDS_MAX, int(_OPERATIONS_AT_ONCE / max(operations, 1.0))))


def _now_s() -> float:
    return asyncio.get_running_loop().time()
