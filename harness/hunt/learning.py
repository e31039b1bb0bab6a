"""Which run comes next: a survey of all workloads, then random, then more of what reached something new.

Two means, both cheap. Each choice of a dimension has a rate, how many of its runs reached a new state, and options are
drawn in proportion (with a prior, so that nothing is ever given up). And runs that reached new states are kept, to be
varied in a part or two, as coverage-guided fuzzers do (AFL's queue, with energy that falls with use).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random
from typing import Final

from quorate.harness.hunt.genes import Arm, Genes
from quorate.harness.hunt.loglines import constant
from quorate.harness.hunt.space import Evenly, Space
from quorate.harness.hunt.survey import survey

_FIRST: Final = 8  # runs drawn evenly before anything is preferred
_VARY_SHARE: Final = 0.5
_KEPT_MOST: Final = 200
_LINES_MOST: Final = 60
_CHATTER: Final = 200  # a line that is said more often in one run marks no moment
_PRIOR_NEWS, _PRIOR_TRIES = 1.0, 2.0


class Kept:
    """A run that reached something new, how much, and how often it has been varied."""

    def __init__(self, genes: Genes, news: int) -> None:
        self.genes = genes
        self.news = news
        self.varied = 0

    @property
    def energy(self) -> float:
        """How willingly it is varied again."""
        return float(min(self.news, 10) / (1 + self.varied) ** 1.5)


class Learner:
    """Draws runs and hears what they reached. With `learns` false every run is drawn evenly: the yardstick.

    The first runs are a survey (`survey`).
    """

    def __init__(self, space: Space, rng: Random, *, learns: bool = True) -> None:
        self._space = space
        self._rng = rng
        self._learns = learns
        self._known: set[str] = set()
        self._tries: Counter[Arm] = Counter()
        self._news: Counter[Arm] = Counter()
        self._kept: list[Kept] = []
        self._lines: dict[str, int] = {}
        self._drawn = 0
        self._survey = survey(space, rng)

    @property
    def reached(self) -> int:
        """How many different states were reached so far."""
        return len(self._known)

    def next(self) -> Genes:
        """Return the next run."""
        if self._survey:
            return self._survey.pop(0)
        self._drawn += 1
        lines = self.lines()
        if not self._learns or self._drawn <= _FIRST or not self._kept:
            return self._space.draw(
                self._rng, Evenly() if self._drawn <= _FIRST or not self._learns else self, lines
            )
        if self._rng.random() >= _VARY_SHARE:
            return self._space.draw(self._rng, self, lines)
        (kept,) = self._rng.choices(self._kept, [one.energy for one in self._kept])
        kept.varied += 1
        return self._space.vary(kept.genes, self._rng, self, lines)

    def pick(self, dimension: str, options: Sequence[str], rng: Random) -> str:
        """Return one of the options, in proportion to what each has led to."""
        weights = [self._rate((dimension, option)) for option in options]
        return rng.choices(options, weights)[0]

    def hear(self, genes: Genes, states: Iterable[str], said: dict[str, int] | None = None) -> int:
        """Take note of what a run reached and of what its servers said; return how many states were new."""
        said = said or {}
        reached = {*states, *(f"log {line}" for line in said)}
        new = reached - self._known
        self._known |= new
        for arm in genes.arms():
            self._tries[arm] += 1
            self._news[arm] += bool(new)
        if new:
            self._kept = sorted([*self._kept, Kept(genes, len(new))], key=lambda one: -one.energy)[
                :_KEPT_MOST
            ]
        for line, count in said.items():
            if 1 < count <= _CHATTER and (text := constant(line)):
                self._lines[text] = min(count, self._lines.get(text, count))
        return len(new)

    def failed(self, genes: Genes) -> int:
        """Take note of a run that broke, and say that it reached nothing new."""
        self._tries.update(genes.arms())
        return 0

    def lines(self) -> tuple[str, ...]:
        """Return texts at which a kill may wait: said under load more than once in a run, the rarest first."""
        rare = sorted(self._lines, key=lambda text: (self._lines[text], text))
        return tuple(rare[:_LINES_MOST])

    def _rate(self, arm: Arm) -> float:
        return (self._news[arm] + _PRIOR_NEWS) / (self._tries[arm] + _PRIOR_TRIES)
