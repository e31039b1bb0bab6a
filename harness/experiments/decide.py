"""One question put to real runs: as many as it takes, several at once, within a budget."""

from __future__ import annotations

import asyncio
import shutil
from collections import deque
from collections.abc import Callable, Collection
from typing import Final, Protocol

import msgspec

from quorate.harness.core.signature import Signature, alike
from quorate.harness.core.test import Test
from quorate.harness.experiments.sequential import Answer, Question, Tally
from quorate.harness.experiments.trial import Trial

_BROKEN_MAX: Final = 3  # in a row: then it does not work here, whatever the budget


class Budget(msgspec.Struct, frozen=True):
    """Limits of one question: of its runs, and of its time in seconds after which no run is started."""

    runs: int = 60
    seconds: float = 3600.0


class Decision(msgspec.Struct, frozen=True):
    """The answer and what it rests on. `shown` is the folder of the last run that showed it, `said` its sentence.

    Where it is "undecided" for want of working runs, `said` is what the last of them complained of.
    """

    answer: Answer
    tally: Tally
    seconds: float
    shown: str | None = None
    said: str = ""
    seed: int | None = None


class Runs(Protocol):
    """Runs tests, `slots` at once: `Trials`, or what stands for it in a test."""

    slots: int

    async def run(self, test: Test) -> Trial:
        """Run one test."""
        ...


async def decide(
    trials: Runs,
    test: Test,
    wanted: Collection[Signature],
    question: Question,
    budget: Budget,
    *,
    quiet_ok: int | None = None,
    listener: Callable[[Tally], None] = lambda _: None,
) -> Decision:
    """Ask whether runs of `test`, with seeds that follow its own, show one of the `wanted` anomalies.

    A run that was inconclusive says nothing; with `quiet_ok` it did not show it if so many of its operations succeeded:
    a small run has too few for a verdict, but if it did as much as those that show the anomaly do, it counts. Runs are
    counted in the order in which they were started, not in that in which they ended: anomalies end runs early, so the
    first to end would be a biased choice.
    """
    loop = asyncio.get_running_loop()
    begun = loop.time()
    tally, last_bad, in_a_row = Tally(), "", 0
    decision = Decision("undecided", tally, 0.0)
    under_way: deque[tuple[int, asyncio.Task[Trial]]] = deque()
    first, started = test.seed or 0, 0
    try:
        while True:
            while (
                len(under_way) < trials.slots
                and started < budget.runs
                and loop.time() - begun < budget.seconds
                and in_a_row < _BROKEN_MAX
            ):
                seed = first + started
                started += 1
                task = asyncio.ensure_future(trials.run(msgspec.structs.replace(test, seed=seed)))
                under_way.append((seed, task))
            if not under_way:
                break
            seed, task = under_way.popleft()
            trial = await task
            one = _counted(trial, wanted, quiet_ok)
            tally = tally.add(one)
            in_a_row = in_a_row + 1 if one.broken else 0
            if one.hits:
                decision = _shown(decision, trial, seed)
            else:
                last_bad = trial.said if one.broken or one.inconclusive else last_bad
                if one.misses:
                    trial.discard()
            listener(tally)
            answer = tally.answer(question)
            if answer != "undecided":
                return _ended(decision, answer, tally, loop.time() - begun)
    finally:
        for _, task in under_way:
            task.cancel()
        await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)
    ended = _ended(decision, "undecided", tally, loop.time() - begun)
    return ended if tally.hits else msgspec.structs.replace(ended, said=last_bad)


async def count(
    trials: Runs,
    test: Test,
    wanted: Collection[Signature],
    runs: int,
    enough: int,
    listener: Callable[[Tally], None] = lambda _: None,
) -> Decision:
    """Count in how many of `runs` runs, with seeds that follow, it is shown, or until `enough` have shown it.

    One after the other. The answer is "yes" if any did; whatever else a run did is a miss, but for broken ones.
    """
    begun = asyncio.get_running_loop().time()
    found = Decision("no", Tally(), 0.0)
    for turn in range(runs):
        seed = (test.seed or 0) + turn
        trial = await trials.run(msgspec.structs.replace(test, seed=seed))
        one = _counted(trial, wanted, 0)
        found = msgspec.structs.replace(found, tally=found.tally.add(one))
        if one.hits:
            found = _shown(found, trial, seed)
        else:
            found = found if found.tally.hits else msgspec.structs.replace(found, said=trial.said)
            trial.discard()
        listener(found.tally)
        if found.tally.hits >= enough:
            break
    return _ended(
        found, "yes" if found.tally.hits else "no", found.tally, asyncio.get_running_loop().time() - begun
    )


def _shown(decision: Decision, trial: Trial, seed: int) -> Decision:
    """Keep the last run that showed it, and its folder alone."""
    if decision.shown is not None:
        shutil.rmtree(decision.shown, ignore_errors=True)
    folder = None if trial.folder is None else str(trial.folder)
    return msgspec.structs.replace(decision, shown=folder, said=trial.said, seed=seed)


def _ended(decision: Decision, answer: Answer, tally: Tally, seconds: float) -> Decision:
    return msgspec.structs.replace(decision, answer=answer, tally=tally, seconds=round(seconds, 1))


def _counted(trial: Trial, wanted: Collection[Signature], quiet_ok: int | None) -> Tally:
    """Count one run: whatever else it found, it shows the anomaly or it does not."""
    if alike(trial.signatures, wanted):
        return Tally(hits=1)
    match trial.outcome:
        case "anomaly" | "valid":
            return Tally(misses=1)
        case "inconclusive":
            did_enough = quiet_ok is not None and trial.succeeded >= quiet_ok
            return Tally(misses=1) if did_enough else Tally(inconclusive=1)
        case "broken":
            return Tally(broken=1)
