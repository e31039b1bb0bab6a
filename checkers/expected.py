"""What a history of an object, or any history by a listed guarantee, is held to: the word after `--expect`.

Without it: linearizable, and for registers whose replies carry versions, versions that never go backwards as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np

from quorate.checkers.consistency import LINEARIZABLE, Consistency
from quorate.checkers.doubts import settled
from quorate.checkers.linearizable import Linearizable
from quorate.checkers.names import OBJECT_ALIASES, OBJECT_CONSISTENCY, UnknownNameError, unknown
from quorate.checkers.names import object_consistency_named as named
from quorate.checkers.versions import VersionsNeverRegress
from quorate.harness.core import registry
from quorate.harness.core.verdict import Limits, Result, Verdict
from quorate.harness.history import History
from quorate.harness.history.columns import NO_VERSION

# Models whose replies may carry the version of the key that they are about.
_VERSIONED: Final = ("register", "cas-register", "kv")

Orders = Sequence[tuple[Any, Sequence[int]]]


def guarantee(name: str | None) -> bool:
    """Whether the name is a listed checker that judges a history without any model."""
    return name == VersionsNeverRegress.name or (name is not None and _listed(name) is not None)


def by_guarantee(history: History, name: str, limits: Limits) -> Result:
    """Judge by a listed checker (`quorate list checkers`) with its own defaults."""
    checker = _listed(name)
    if checker is None:
        raise UnknownNameError(unknown("guarantee", name, registry.names("checkers")))
    result: Result = checker().check(history, limits)
    return result


def _listed(name: str) -> Any:
    """The listed checker of this name; not those that are models with their own expectation."""
    if name in {LINEARIZABLE, "append", "rw"} or name not in registry.names("checkers"):
        return None
    return registry.find("checkers", name)


def judge_object(
    history: History, model: str, expect: str | None, limits: Limits, initial: Any = None
) -> tuple[Result, Orders]:
    """Judge a history of one kind of object; the result, and for each key the order that explains it.

    `expect` is a consistency model of objects, a listed guarantee, or None. Raises `ValueError` for a name that is not
    known or not decided for this model, with what is.
    """
    if expect is not None and guarantee(expect):
        return by_guarantee(history, expect, limits), ()
    level = LINEARIZABLE if expect is None else _level(expect, model)
    if level != LINEARIZABLE:

        def weaker(history: History) -> tuple[Result, Sequence[int]]:
            return Consistency(level, model, initial=initial).judge(history, limits)

        result, order = weaker(history)
        result = settled(history, model, result, lambda other: weaker(other)[0])
        return _by_stronger(history, model, result, limits, initial), ((None, order),) if order else ()
    found = Linearizable(model, initial=initial).judge(history, limits)
    result = settled(
        history, model, found.result, lambda other: Linearizable(model, initial=initial).check(other, limits)
    )
    orders = [(one.key, one.order) for one in found.witnesses]
    if result is not found.result:
        return result, ()
    if expect is None and model in _VERSIONED and found.result.verdict is not Verdict.INVALID:
        regressed = _regressed(history, model, limits)
        if regressed is not None:
            return regressed, ()
    return result, orders


def _level(expect: str, model: str) -> str:
    try:
        return named(expect, model)
    except UnknownNameError:
        known = [*OBJECT_CONSISTENCY, *(name for name in registry.names("checkers") if _listed(name))]
        raise UnknownNameError(
            unknown("consistency model of objects or guarantee", expect, known, OBJECT_ALIASES)
        ) from None


def _by_stronger(history: History, model: str, result: Result, limits: Limits, initial: Any) -> Result:
    """Answer where the level itself was not decided, as where values are not unique.

    Linearizability is local (Herlihy and Wing, 1990): where each key is linearizable, one order of all keys exists that
    keeps real time, and with it every weaker model holds.
    """
    if result.verdict is not Verdict.UNKNOWN or not result.operations:
        return result
    left = max(0.0, limits.time_s - result.time_s)
    stronger = Linearizable(model, initial=initial).check(
        history, msgspec.structs.replace(limits, time_s=left)
    )
    if stronger.verdict is not Verdict.VALID:
        return result
    return msgspec.structs.replace(
        result,
        verdict=Verdict.VALID,
        engine=stronger.engine,
        reason=f"it is linearizable, which implies {result.guarantee}",
        stats={**result.stats, "strongest": [LINEARIZABLE]},
    )


def _regressed(history: History, model: str, limits: Limits) -> Result | None:
    """The verdict on versions where they go backwards."""
    if not bool(np.any(history.columns.version != NO_VERSION)):
        return None
    result = VersionsNeverRegress().check(history, limits)
    return msgspec.structs.replace(result, model=model) if result.verdict is Verdict.INVALID else None
