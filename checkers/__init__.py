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

if __name__ != "quorate.checkers":  # the checkout is on the path: by two names every class would exist twice
    raise ImportError(f"this is quorate.checkers: write `import quorate.checkers`, not `import {__name__}`")

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quorate.checkers.doubts import settled
from quorate.checkers.expected import by_guarantee, guarantee, judge_object
from quorate.checkers.initial import UNSTATED, judged, refuse
from quorate.checkers.linearizable import Linearizable
from quorate.checkers.models import MODELS as SEQUENTIAL
from quorate.checkers.names import model_named, object_consistency_named
from quorate.checkers.normal import normal
from quorate.checkers.objects import object_models
from quorate.checkers.objects.model import Asked
from quorate.checkers.recognise import ModelError, recognise
from quorate.checkers.second import confirmed
from quorate.harness.core.verdict import Limits, Result, Verdict
from quorate.harness.history import Event, History, Operation

if TYPE_CHECKING:
    import pandas as pd

MODELS: dict[str, str] = {
    **{name: model.about for name, model in SEQUENTIAL.items()},
    "append": "transactions of appends to lists and reads of them",
    "rw": "transactions of writes and reads of registers",
    **{name: model.about for name, model in object_models().items()},
}

Source = History | str | Path | Iterable[Event] | Iterable[Operation]

__all__ = ["MODELS", "Linearizable", "ModelError", "check", "history_of", "recognise"]


def history_of(source: Source | pd.DataFrame) -> History:
    """Make a history of a path (a run's folder or a file), events, operations, or a DataFrame of either."""
    if isinstance(source, History):
        return source
    if isinstance(source, str | Path):
        return History.read(source)
    return History.of(source, settled=True)


def check(
    source: Source | pd.DataFrame,
    model: str | None = None,
    engine: str = "auto",
    *,
    expect: str | None = None,
    limits: Limits | None = None,
    initial: Any = UNSTATED,
    settings: Mapping[str, str] | None = None,
) -> Result:
    """Judge a history: a `History`, a path, a list of events or operations, or a DataFrame of them.

    `model` is a row of `quorate list models` or another tool's name for one; without it, the only one that every
    operation proves (`ModelError` where there is none). `engine` is `auto`, `native` or `porcupine`; what one calls
    invalid, another has to confirm. `expect` is the consistency that must hold, of transactions or of objects, or a
    guarantee of `quorate list checkers`. `initial` is what the object holds before the first operation, nothing unless
    stated; `settings` are the model's own. Raises `HistoryError` for unreadable input, `ValueError` for unknown names;
    a bad history is a `Result`, never an error.
    """
    history = history_of(source)
    if expect is not None and guarantee(expect):
        return by_guarantee(history, expect, limits or Limits())
    model = model_named(model, MODELS) if model else recognise(history)
    limits = limits or Limits()
    plain = normal(history, model)
    if model in object_models():
        asked = Asked(None if initial is UNSTATED else initial, settings or {})
        return plain.restored(_by_rule(plain.history, model, engine, expect, asked, limits))
    refusal = refuse(model, initial) or _no_settings(model, settings)
    if refusal:
        raise ValueError(refusal)
    if model in ("append", "rw"):
        if engine not in ("auto", "native"):
            msg = f"transactions are judged by the native engine alone: leave out the engine {engine}"
            raise ValueError(msg)
        from quorate.checkers.transactions import check_transactions  # noqa: PLC0415 - only where asked for

        return plain.restored(check_transactions(plain.history, model, expect, limits))
    if engine not in ("auto", "native", "search", "porcupine"):
        msg = f'unknown engine "{engine}" (known: auto, native, search, porcupine)'
        raise ValueError(msg)

    def judge(start: Any) -> Result:
        return _object(plain.history, model, engine, expect, start, limits)

    found = judged(plain.history, model, initial, judge, lambda one: one, lambda _, result: result)
    return plain.restored(found)


def _object(
    history: History, model: str, engine: str, expect: str | None, initial: Any, limits: Limits
) -> Result:
    if engine in ("auto", "native"):
        return judge_object(history, model, expect, limits, initial)[0]
    if expect is not None and object_consistency_named(expect, model) != "linearizable":
        msg = f"{expect} is judged by the native engine alone: leave out the engine {engine}"
        raise ValueError(msg)
    if engine == "porcupine":
        from quorate.checkers.porcupine import check_history  # noqa: PLC0415 - the Go library is optional

        result = check_history(history, model, limits, initial=initial)
        if result.verdict is not Verdict.INVALID:
            return result
        found = confirmed(result, Linearizable(model, initial=initial).check(history, limits))
        return settled(
            history, model, found, lambda other: check_history(other, model, limits, initial=initial)
        )

    def search(history: History) -> Result:
        return Linearizable(model, engine="search", initial=initial).check(history, limits)

    return settled(history, model, search(history), search)


def _by_rule(
    history: History, model: str, engine: str, expect: str | None, asked: Asked, limits: Limits
) -> Result:
    chosen = object_models()[model]
    if expect not in (None, chosen.guarantee):
        msg = f'{model} promises {chosen.guarantee} alone, not "{expect}"'
        raise ValueError(msg)
    if engine not in ("auto", "native"):
        msg = f"{model} is judged by its own rule: leave out the engine {engine}"
        raise ValueError(msg)
    if asked.initial is not None and not chosen.takes_initial:
        msg = f"{model} has no initial value: leave it out"
        raise ValueError(msg)
    for name in asked.settings:
        if name not in chosen.settings:
            known = "; ".join(f"{one}: {text}" for one, text in chosen.settings.items()) or "none"
            msg = f'{model} has no setting "{name}" (known: {known})'
            raise ValueError(msg)
    return chosen.check(history, limits, asked)


def _no_settings(model: str, settings: Mapping[str, str] | None) -> str | None:
    return f"{model} has no settings: leave out {', '.join(settings)}" if settings else None
