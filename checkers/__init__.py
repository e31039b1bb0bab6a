"""Checkers: one module per guarantee. `check` judges any history as any model.

>>> from quorate.harness.history import Event
>>> from quorate.checkers import check
>>> events = [
...     Event(0, 0, 1, "invoke", "write", None, 1), Event(1, 5, 1, "ok", "write", None, 1),
...     Event(2, 6, 2, "invoke", "read"), Event(3, 9, 2, "ok", "read", None, None),
... ]
>>> check(events, model="register").verdict.value
'invalid'
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from quorate.checkers.linearizable import MODELS as LINEARIZABLE_MODELS
from quorate.checkers.linearizable import Linearizable
from quorate.checkers.recognise import ModelError, recognise
from quorate.harness.core.verdict import Limits, Result
from quorate.harness.history import Event, History, Operation

if TYPE_CHECKING:
    import pandas as pd

MODELS: dict[str, str] = {
    **LINEARIZABLE_MODELS,
    "append": "transactions of appends to lists and reads of them",
    "rw": "transactions of writes and reads of registers",
}

Source = History | str | Path | Iterable[Event] | Iterable[Operation]

__all__ = ["MODELS", "Linearizable", "ModelError", "check", "history_of", "recognise"]


def history_of(source: Source | pd.DataFrame) -> History:
    """Make a history of a path (a run's folder or a file), events, operations, or a DataFrame of either."""
    if isinstance(source, History):
        return source
    if isinstance(source, str | Path):
        return History.read(source)
    return History.of(source)


def check(
    source: Source | pd.DataFrame,
    model: str | None = None,
    engine: str = "auto",
    *,
    expect: str | None = None,
    limits: Limits | None = None,
) -> Result:
    """Judge a history: a `History`, a path, a list of events or operations, or a DataFrame of them.

    `model` is a row of CONTRACT's table; without it, the only one that fits (`ModelError` where none or several do).
    `engine` is `auto`, `native` or `porcupine`. `expect` is the consistency that transactions must satisfy. Raises
    `HistoryError` for unreadable input, `ValueError` for unknown names; a bad history is a `Result`, never an error.
    """
    history = history_of(source)
    model = model or recognise(history)
    limits = limits or Limits()
    if model not in MODELS:
        msg = f'there is no model "{model}" (known: {", ".join(MODELS)})'
        raise ValueError(msg)
    if model in ("append", "rw"):
        if engine not in ("auto", "native"):
            msg = f"transactions are judged by the native engine alone: leave out the engine {engine}"
            raise ValueError(msg)
        from quorate.checkers.transactions import check_transactions  # noqa: PLC0415 - only where asked for

        return check_transactions(history, model, expect, limits)
    if engine == "porcupine":
        from quorate.checkers.porcupine import check_history  # noqa: PLC0415 - the Go library is optional

        return check_history(history, model, limits)
    if engine not in ("auto", "native", "search"):
        msg = f'there is no engine "{engine}" (known: auto, native, search, porcupine)'
        raise ValueError(msg)
    return Linearizable(model, engine="search" if engine == "search" else "auto").check(history, limits)
