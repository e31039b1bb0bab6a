"""`quorate bisect`: since which release, and until which, a run's anomaly comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from quorate.harness.core import reading, store
from quorate.harness.core.outcome import Broken
from quorate.harness.core.signature import Signature
from quorate.harness.core.test import UsageError
from quorate.harness.experiments.bisecting import Flip, Line, bisect, state_of
from quorate.harness.experiments.candidate import Candidate, start_of
from quorate.harness.experiments.decide import Budget, Decision, Runs, count, decide
from quorate.harness.experiments.memo import Memo
from quorate.harness.experiments.sequential import Question, Tally
from quorate.harness.experiments.versions import Version, branches
from quorate.harness.systems.releases import SYSTEMS, resolve_async

SUMMARY: Final = "bisection.json"
_RUNS_MAX: Final = 200
_FIRST_RUNS: Final = 30
_FIRST_HITS: Final = 3
_RARELY: Final = 30.0  # a good release shows it at most so many times less often than the bad one

Listener = Callable[[int, str, Decision, bool], None]


class Bisection(msgspec.Struct, frozen=True):
    """The end: a line per branch, and the question that each version was asked."""

    start: Candidate
    own: str
    question: Question
    lines: tuple[Line, ...]

    @property
    def complete(self) -> bool:
        """Whether every branch was gone through."""
        return all(line.complete for line in self.lines)


class Bisector:
    """Judges versions by runs like the one that was given. `error` bounds each answer's."""

    def __init__(
        self,
        trials: Runs,
        memo: Memo,
        folder: Path,
        wanted: Sequence[Signature],
        start: Candidate,
        *,
        error: float = 0.05,
        budget_s: float = 7200.0,
        build: Callable[[Version], Awaitable[None]] | None = None,
        listener: Listener = lambda *_: None,
        asking: Callable[[str, Tally], None] = lambda _, __: None,
    ) -> None:
        self._trials = trials
        self._memo = memo
        self._folder = folder
        self._wanted = wanted
        self._start = start
        self._error = error
        self._budget_s = budget_s
        self._build = build
        self._listener = listener
        self._asking = asking
        self._question = Question()
        self._quiet_ok: int | None = None
        self._asked = 0
        self._end_s = 0.0

    async def bisect(self, versions: Sequence[Version]) -> Bisection:
        """Go through every branch; raise `Broken` where the run's own version does not show the anomaly."""
        self._end_s = _now_s() + self._budget_s
        own = self._own(versions)
        first = await self._first(own)
        if first.answer != "yes":
            said = f"{first.tally.words()}; {first.said}"
            raise Broken(
                "not-shown", f"{own.name}, the version of the run, does not show the anomaly: {said}"
            )
        self._question = question_of(first.tally, self._error)
        self._quiet_ok = _half_of(first.shown)
        lines = [
            await bisect(branch, those, self._judge, {own.name: first})
            for branch, those in branches(list(versions))
        ]
        return Bisection(self._start, own.name, self._question, tuple(lines))

    def _own(self, versions: Sequence[Version]) -> Version:
        """Return the version of the run itself, which may lie outside of the range."""
        test = self._start.test
        for version in versions:
            if version.of(test) == test:
                return version
        return Version(test.release or test.system, "", test.system)

    async def _first(self, own: Version) -> Decision:
        """Whether, and about how often, the run's own version shows it."""
        key = f"own-{self._start.key}"
        known = self._memo.known(key)
        remembered = known is not None
        if known is None:
            written = self._start.written(self._folder)
            known = await count(
                self._trials,
                written,
                self._wanted,
                _FIRST_RUNS,
                _FIRST_HITS,
                lambda tally: self._asking(own.name, tally),
            )
            self._memo.add(key, own.name, known)
        self._asked += 1
        self._listener(self._asked, own.name, known, remembered)
        return known

    async def _judge(self, version: Version) -> Decision | None:
        """Decide about one version, from memory where it was asked before; None where the time is over."""
        key = f"{version.name}-{self._start.key}"
        known = self._memo.known(key)
        remembered = known is not None
        if known is None:
            left_s = self._end_s - _now_s()
            if left_s <= 0:
                return None
            known = await self._ask(version, Budget(runs=_RUNS_MAX, seconds=left_s))
            if known.answer == "undecided" and _now_s() >= self._end_s:
                return None
            self._memo.add(key, version.name, known)
        self._asked += 1
        self._listener(self._asked, version.name, known, remembered)
        return known

    async def _ask(self, version: Version, budget: Budget) -> Decision:
        test = version.of(self._start.test)
        try:
            if self._build is not None and version.branch:
                self._asking(f"{version.name}: building it", Tally())
                await self._build(version)
            if test.system_name in SYSTEMS and "binary" not in test.settings and test.image is None:
                self._asking(f"{version.name}: getting it", Tally())
                await resolve_async(test.system_name, test.release)
            written = Candidate(test, self._start.rows).written(self._folder)
            return await decide(
                self._trials,
                written,
                self._wanted,
                self._question,
                budget,
                quiet_ok=self._quiet_ok,
                listener=lambda tally: self._asking(version.name, tally),
            )
        except (Broken, UsageError) as error:
            return Decision("undecided", Tally(), 0.0, said=f"cannot be tested: {error}")


def question_of(tally: Tally, error: float) -> Question:
    """Return what the other versions are asked: whether it comes about as often as here, or thirty times less.

    The rate is taken as if one more run had not shown it: few runs, all of which did, do not prove that all do.
    """
    rate = tally.hits / (tally.tries + 1)
    often = min(0.9, max(0.05, 0.8 * rate))
    return Question(often=often, rarely=often / _RARELY, error=error)


def _half_of(shown: str | None) -> int | None:
    """Return half of the operations that succeeded in a run that showed it; None where its folder is gone."""
    if shown is None or not (Path(shown) / store.RESULTS).is_file():
        return None
    return reading.results(Path(shown)).statistics.ok // 2


class Asked(Tally, frozen=True, kw_only=True):
    """One version that was asked: `run` is one that showed the anomaly."""

    version: str
    state: str
    text: str = msgspec.field(name="words")
    run: str | None


class Branch(msgspec.Struct, frozen=True):
    """One line of releases, and where along it the anomaly came and went."""

    branch: str
    changes: Sequence[Flip]
    words: str
    versions: Sequence[Asked]


class Summary(msgspec.Struct, frozen=True):
    """What `bisection.json` holds; `often` and `rarely` are the rates by which a bad and a good version were judged."""

    signatures: Sequence[str]
    like: str
    own: str
    test: str
    often: float
    rarely: float
    error: float
    complete: bool
    branches: Sequence[Branch]

    def table(self) -> str:
        """Write the versions that were asked as a Markdown table, ready for an advisory."""
        rows = ["| version | state | runs that showed it |", "| --- | --- | --- |"]
        rows += [
            f"| {row.version} | {row.state} | {row.text.replace('|', '/')} |"
            for branch in self.branches
            for row in branch.versions
        ]
        return "\n".join(rows)


def summary(found: Bisection, wanted: Sequence[Signature]) -> Summary:
    """Return the end as it is stored."""
    return Summary(
        signatures=sorted(map(str, wanted)),
        like=found.start.test.system,
        own=found.own,
        test=found.start.words(),
        often=round(found.question.often, 4),
        rarely=round(found.question.rarely, 4),
        error=found.question.error,
        complete=found.complete,
        branches=[
            Branch(
                branch=line.branch,
                changes=line.flips,
                words=words_of(line),
                versions=[_asked(line, name) for name in line.versions if name in line.decisions],
            )
            for line in found.lines
        ],
    )


def words_of(line: Line) -> str:
    """Write what is known of a branch in one sentence."""
    if line.flips:
        return "; ".join(flip.words() for flip in line.flips)
    states = {line.state(name) for name in line.decisions} - {None}
    if states == {"bad"}:
        return "bad at both ends"
    return "good at both ends, and nothing between them was asked" if states else "nothing is known"


def _asked(line: Line, name: str) -> Asked:
    decision = line.decisions[name]
    return Asked(
        **msgspec.structs.asdict(decision.tally),
        version=name,
        state=state_of(decision) or "not known",
        text=decision.tally.words() if decision.tally.runs else decision.said,
        run=decision.shown,
    )


async def bisect_like(
    run: Path,
    versions: Sequence[Version],
    trials: Runs,
    memo: Memo,
    folder: Path,
    wanted: Sequence[Signature],
    **options: Any,
) -> Summary:
    """Bisect over these versions with runs like `run`, and write and return `bisection.json`."""
    found = await Bisector(trials, memo, folder, wanted, start_of(run), **options).bisect(versions)
    content = summary(found, wanted)
    store.write_json(folder, SUMMARY, msgspec.to_builtins(content))
    return content


def _now_s() -> float:
    return asyncio.get_running_loop().time()
