"""`quorate gate`: is the head worse than the base? Pairs of runs with the same seeds and faults, until it is known.

The two runs of a pair come one after the other on the same machine, every other pair the head first, so that a
machine that tires or warms up favours neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final, Literal

import msgspec

from quorate.harness.core.exits import Exit
from quorate.harness.core.test import Test, UsageError
from quorate.harness.experiments.comparison import Judged, Word
from quorate.harness.experiments.decide import Runs
from quorate.harness.experiments.figures import FIGURES, Figure
from quorate.harness.experiments.trial import Trial

Verdict = Literal["worse", "not worse", "not enough time"]
EXIT: Final[dict[Verdict, int]] = {
    "worse": Exit.ANOMALY,
    "not worse": Exit.VALID,
    "not enough time": Exit.UNKNOWN,
}
_BROKEN_MAX: Final = 3  # pairs in a row of which one run broke: then it does not work here


class Side(msgspec.Struct, frozen=True):
    """One of the two: a system with its release, and settings over those of the test."""

    name: str
    system: str
    settings: dict[str, str] = {}

    def of(self, test: Test) -> Test:
        """Return the test on this side."""
        return msgspec.structs.replace(test, system=self.system, settings={**test.settings, **self.settings})


class Row(msgspec.Struct, frozen=True):
    """What became of one figure."""

    figure: str
    judged: Judged


class Example(msgspec.Struct, frozen=True):
    """A pair in which the head showed what the base did not: its command, what it said, and where its run lies."""

    figure: str
    command: str
    said: str
    signatures: tuple[str, ...]
    run: str | None


class Gated(msgspec.Struct, frozen=True):
    """The end: the verdict, each figure, and how many runs said nothing (base and head, inconclusive and broken)."""

    verdict: Verdict
    rows: tuple[Row, ...]
    pairs: int
    inconclusive: int
    broken: int
    seconds: float
    margin: float
    confidence: float
    example: Example | None = None
    said: str = ""


class Gate:
    """Compares two sides over tests. `margin` 0.05 is five per cent, or five runs of a hundred."""

    def __init__(
        self,
        trials: Runs,
        base: Side,
        head: Side,
        *,
        margin: float = 0.05,
        error: float = 0.05,
        ignored: Sequence[str] = (),
        left_out: Sequence[str] = (),
        listener: Callable[[int, Mapping[str, Word]], None] = lambda _, __: None,
    ) -> None:
        """Raise `UsageError` for a figure to leave out that there is none of."""
        unknown = set(left_out) - {figure.name for figure in FIGURES}
        if unknown:
            known = ", ".join(figure.name for figure in FIGURES)
            raise UsageError(f"no figure {', '.join(sorted(unknown))} (known: {known})")
        self._trials = trials
        self._base = base
        self._head = head
        self._margin = margin
        self._error = error
        self._ignored = ignored
        self._listener = listener
        self._figures = [figure for figure in FIGURES if figure.name not in left_out]
        # Any of them may call the head worse, so each may err the less; all must find it fine, so that is not a choice.
        share = error / len(self._figures)
        self._tests = {figure.name: figure.make(margin, share, error) for figure in self._figures}
        self._told: set[str] = set()  # figures that some pair has reported
        self._inconclusive = 0
        self._broken = 0
        self._example: Example | None = None
        self._said = ""

    async def run(self, tests: Sequence[Test], budget_s: float, seed: int) -> Gated:
        """Run pairs of each test in turn until every figure is decided, one is worse, or no time is left for a pair."""
        loop = asyncio.get_running_loop()
        begun, longest_s, in_a_row = loop.time(), 0.0, 0
        pairs = 0
        for turn in count():
            left_s = budget_s - (loop.time() - begun)
            if left_s < longest_s or left_s <= 0 or in_a_row >= _BROKEN_MAX or self._verdict() is not None:
                break
            test = msgspec.structs.replace(tests[turn % len(tests)], seed=seed + turn)
            since = loop.time()
            base, head = await self._pair(test, head_first=turn % 2 == 1)
            longest_s = max(longest_s, loop.time() - since)
            pairs += 1
            in_a_row = in_a_row + 1 if "broken" in (base.outcome, head.outcome) else 0
            self._take(test, base, head)
            self._listener(pairs, {name: one.word() for name, one in self._tests.items()})
        return Gated(
            verdict=self._verdict() or "not enough time",
            rows=tuple(self._rows()),
            pairs=pairs,
            inconclusive=self._inconclusive,
            broken=self._broken,
            seconds=round(loop.time() - begun, 1),
            margin=self._margin,
            confidence=1 - self._error,
            example=self._example,
            said=self._said,
        )

    async def _pair(self, test: Test, *, head_first: bool) -> tuple[Trial, Trial]:
        base, head = self._base.of(test), self._head.of(test)
        if head_first:
            second = await self._trials.run(head)
            return await self._trials.run(base), second
        first = await self._trials.run(base)
        return first, await self._trials.run(head)

    def _take(self, test: Test, base: Trial, head: Trial) -> None:
        for trial in (base, head):
            self._inconclusive += trial.outcome == "inconclusive"
            self._broken += trial.outcome == "broken"
            self._said = trial.said if trial.outcome in ("inconclusive", "broken") else self._said
        kept = False
        for figure in self._figures:
            difference = figure.difference(base, head, self._ignored)
            if difference is None:
                continue
            self._tests[figure.name].add(difference)
            self._told.add(figure.name)
            if difference == 1.0 and figure.name in ("anomalies", "deaths") and self._example is None:
                self._example, kept = self._shown(figure, test, head), True
        base.discard()
        if not kept:
            head.discard()

    def _shown(self, figure: Figure, test: Test, head: Trial) -> Example:
        return Example(
            figure=figure.name,
            command=self._head.of(test).command(),
            said=head.said,
            signatures=tuple(sorted(map(str, head.signatures))),
            run=None if head.folder is None else str(head.folder),
        )

    def _rows(self) -> list[Row]:
        return [Row(figure.name, self._tests[figure.name].judged()) for figure in self._figures]

    def _verdict(self) -> Verdict | None:
        """Return the verdict once it is known; a figure that no pair shows does not matter if others are shown."""
        words = {name: one.word() for name, one in self._tests.items()}
        if "worse" in words.values():
            return "worse"
        first = self._figures[0].name if self._figures else None
        if first in self._told and all(words[name] == "not worse" for name in self._told):
            return "not worse"
        return None


def markdown(found: Gated, base: Side, head: Side) -> str:
    """Write it for a pull request."""
    words = {
        "worse": f"**worse**: {head.name} is worse than {base.name}",
        "not worse": f"**not worse** than {base.name} by {found.margin:.0%} with {found.confidence:.0%} confidence",
        "not enough time": f"**not enough time** to decide {head.name} from {base.name}",
    }
    lines = [
        f"### quorate gate: {words[found.verdict]}",
        "",
        f"{found.pairs} pairs of runs in {found.seconds:.0f} s, {base.name} against {head.name}, same seeds and faults"
        + _apart(found),
        "",
        "| figure | difference | between | pairs | |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {row.figure} | {_cells(row)} |" for row in found.rows]
    if found.example is not None:
        example = found.example
        lines += [
            "",
            f"`{', '.join(example.signatures)}` in {head.name} and not in {base.name}:",
            "",
            f"> {example.said}",
            "",
            f"    {example.command}",
        ]
        lines += [f"    quorate shrink {example.run}"] if example.run else []
    return "\n".join(lines)


def _apart(found: Gated) -> str:
    apart = [(found.inconclusive, "inconclusive"), (found.broken, "broken")]
    text = ", ".join(f"{number} {word}" for number, word in apart if number)
    return f"; runs that say nothing: {text} ({found.said})" if text else ""


def _cells(row: Row) -> str:
    one = row.judged
    if not one.pairs:
        return "- | - | 0 | nothing to compare"
    word = "not known" if one.word == "undecided" else one.word
    return f"{one.mean:+.1%} | {_share(one.low)} to {_share(one.high)} | {one.pairs} | {word}"


def _share(value: float) -> str:
    return f"{value:+.1%}" if abs(value) < 10 else ("-" if value < 0 else "+") + "∞"  # noqa: PLR2004 - thousand per cent


def summary(found: Gated, base: Side, head: Side) -> dict[str, Any]:
    """Return the same as data; bounds that are infinite are null."""
    content: dict[str, Any] = msgspec.to_builtins(found)
    for row in content["rows"]:
        judged = row["judged"]
        row["judged"] = {
            key: None if isinstance(value, float) and value in (float("inf"), float("-inf")) else value
            for key, value in judged.items()
        }
    return {"base": base.name, "head": head.name, **content}
