"""What an object holds before the first operation: stated by the caller, else nothing (0 for a counter).

One case is settled if not stated: a register that starts at 0, as many services do. Where 0 was read and never
written, and starting there is all it takes to explain the whole history, the verdict is `valid`, and its reason says
what was taken for granted. Any other value that was never written is a phantom.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec
import numpy as np

from quorate.harness.core.verdict import Result, Verdict
from quorate.harness.history import History
from quorate.harness.history.columns import INVOKE, OK


class Unstated:
    """It was not said what the object starts with."""

    def __repr__(self) -> str:
        """The words of signatures."""
        return "UNSTATED"


UNSTATED: Final = Unstated()
TAKERS: Final = frozenset({"register", "cas-register", "kv", "counter"})
_REGISTERS: Final = frozenset({"register", "cas-register"})
_TOLD: Final = (
    "the register is taken to have started at 0, which was read and never written: "
    "state the initial value to be sure (--initial 0, or --initial null for none)"
)
_Judged = TypeVar("_Judged")


def read_initial(text: str) -> Any:
    """The value that `--initial` means: JSON where it is JSON, else the text itself."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def refuse(model: str, initial: Any) -> str | None:
    """Why this model cannot start with that, if so."""
    if isinstance(initial, Unstated) or initial is None:
        return None
    if model not in TAKERS:
        return f"a {model} starts empty: leave out the initial value (it is for {', '.join(sorted(TAKERS))})"
    if model == "counter" and (isinstance(initial, bool) or not isinstance(initial, int)):
        return f"a counter starts at a whole number, not at {initial!r}"
    if model == "kv" and not isinstance(initial, str):
        return f"kv holds strings, and the initial value {initial!r} is not one"
    return None


def judged(
    history: History,
    model: str,
    initial: Any,
    judge: Callable[[Any], _Judged],
    result_of: Callable[[_Judged], Result],
    with_result: Callable[[_Judged, Result], _Judged],
) -> _Judged:
    """Judge from what was stated; where nothing was, from nothing, and from 0 where that alone explains it all."""
    if not isinstance(initial, Unstated):
        return judge(initial)
    found = judge(None)
    if result_of(found).verdict is Verdict.INVALID and model in _REGISTERS and _only_read_zero(history):
        again = judge(0)
        result = result_of(again)
        if result.verdict is Verdict.VALID:
            stats = {**result.stats, "assumed_initial": 0}
            return with_result(again, msgspec.structs.replace(result, reason=_TOLD, stats=stats))
    return found


def _only_read_zero(history: History) -> bool:
    """Whether 0 was seen and no client ever asked to write it."""
    columns = history.columns
    zero = np.uint32(1 << 31)  # small integers are their own handles
    if (columns.value == zero).any():
        written = (columns.value == zero) & (columns.kind == INVOKE)
        return (
            bool(((columns.value == zero) & (columns.kind == OK)).any())
            and not bool(written.any())
            and not (_swapped(history, 1))
        )
    return _swapped(history, 0) and not _swapped(history, 1)


def _swapped(history: History, half: int) -> bool:
    """Whether a compare-and-set names 0 in this half of its pair: 0 is what it expects, 1 what it leaves."""
    columns = history.columns
    names = [handle for handle in np.unique(columns.f).tolist() if columns.text(handle) == "cas"]
    chosen = np.isin(columns.f, names) & (columns.kind == INVOKE)
    pairs = columns.texts(np.unique(columns.value[chosen])).tolist() if chosen.any() else []
    return any(isinstance(pair, list) and len(pair) == 2 and pair[half] == 0 for pair in pairs)  # noqa: PLR2004
