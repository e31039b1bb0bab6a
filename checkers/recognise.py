"""Which model can a history be of? Told by its functions and the shape of their values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from quorate.harness.history import History
from quorate.harness.history.columns import INVOKE, OK

_FUNCTIONS: Final[dict[str, frozenset[str]]] = {
    "register": frozenset({"read", "write"}),
    "cas-register": frozenset({"read", "write", "cas"}),
    "kv": frozenset({"read", "write", "cas", "delete", "append"}),
    "set": frozenset({"add", "remove", "contains", "read"}),
    "counter": frozenset({"add", "increment", "read"}),
    "queue": frozenset({"enqueue", "dequeue"}),
    "lock": frozenset({"acquire", "release"}),
    "transactions": frozenset({"txn"}),
}
_LOOKED_AT: Final = 1000


class ModelError(ValueError):
    """No model fits the history, or several do; the text says which, and what to give."""


def recognise(history: History) -> str:
    """Return the only model that fits. Raises `ModelError` where none or several do."""
    columns = history.columns
    asked = (columns.process >= 0) & (columns.kind == INVOKE)
    functions = {str(columns.text(handle)) for handle in np.unique(columns.f[asked]).tolist()}
    fitting = [model for model, known in _FUNCTIONS.items() if functions <= known]
    if not functions:
        raise ModelError("the history has no operations, so there is nothing to judge; is it the right file?")
    if not fitting:
        raise ModelError(
            f"no model knows all of {', '.join(sorted(functions))}: see `quorate list models`, or judge with a model "
            "of your own (docs/checking.md)"
        )
    best = min(fitting, key=lambda model: len(_FUNCTIONS[model]))
    if best == "transactions":
        return _transactions(history)
    if best == "counter" or functions == {"read"}:
        return _add_and_read(history, functions)
    if best == "queue":
        raise ModelError("both queue and unordered-queue fit: name one with --as")
    if best == "lock":
        return "fenced-lock" if any(value is not None for value in _results(history, "acquire")) else "lock"
    return best


def _results(history: History, f: str) -> list[Any]:
    """The first results of completed operations of this function."""
    columns = history.columns
    done = np.flatnonzero((columns.process >= 0) & (columns.kind == OK))[: _LOOKED_AT * 10]
    chosen = [at for at in done.tolist() if columns.text(columns.f[at]) == f][:_LOOKED_AT]
    return [columns.text(columns.value[at]) for at in chosen]


def _add_and_read(history: History, functions: set[str]) -> str:
    reads = _results(history, "read")
    if any(isinstance(value, list) for value in reads):
        return "set"
    if "increment" in functions or ("add" in functions and any(isinstance(value, int) for value in reads)):
        return "counter"
    if functions == {"read"}:
        return "register"
    raise ModelError("both set and counter fit: name one with --as")


def _transactions(history: History) -> str:
    columns = history.columns
    for at in np.flatnonzero(columns.process >= 0)[:_LOOKED_AT].tolist():
        for f, seen in _micro_operations(columns.text(columns.value[at])):
            if f == "append" or (f == "r" and isinstance(seen, list)):
                return "append"
            if f == "w":
                return "rw"
    raise ModelError("the transactions only read: name the model with --as append or --as rw")


def _micro_operations(value: Any) -> Iterator[tuple[Any, Any]]:
    """Function and value of each micro-operation; what is none is passed over, the checker will name it."""
    for micro in value if isinstance(value, list) else ():
        if isinstance(micro, list) and micro:
            yield micro[0], micro[2] if len(micro) == 3 else None  # noqa: PLR2004 - function, key, value
