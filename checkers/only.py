"""A checker that sees only some functions of a history: the others are not part of what its model describes."""

from __future__ import annotations

from collections.abc import Collection

from quorate.harness.core.verdict import Checker, Limits, Result
from quorate.harness.history import History


class Only:
    """Judge the operations with these functions by another checker; faults stay visible to it."""

    def __init__(self, functions: Collection[str], checker: Checker) -> None:
        self.name = checker.name
        self._functions = frozenset(functions)
        self._checker = checker

    def check(self, history: History, limits: Limits) -> Result:
        """Judge what is left; event indexes stay those of the whole history."""
        own = [
            event for event in history.events() if event.f in self._functions or event.process == "nemesis"
        ]
        return self._checker.check(History.of(own), limits)
