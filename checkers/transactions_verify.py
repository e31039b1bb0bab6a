"""Replay an order of transactions: an independent proof that they could have happened one after the other.

Shares no code with the engine: plain dictionaries, one transaction at a time. It knows nothing of cycles or anomalies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from quorate.harness.history import History
from quorate.harness.history.event import Operation, Type


def replay(
    history: History,
    order: Sequence[int],
    model: Literal["append", "rw"] = "append",
    *,
    real_time: bool = True,
) -> str | None:
    """Return what is wrong with this order of invocation indexes as the history's explanation, or None.

    It must hold every `ok` transaction once, no `fail` one, and each read must return what the transactions before it
    wrote. With `real_time`, none that returned before another was invoked may come after it.
    """
    by_index = {one.invoke.index: one for one in history.operations() if one.invoke.f == "txn"}
    if len(set(order)) != len(order):
        return "a transaction is there twice"
    missing = {index for index, one in by_index.items() if one.outcome == Type.OK} - set(order)
    if missing:
        return f"{len(missing)} transactions that happened are missing, the first at index {min(missing)}"
    state: dict[str, Any] = {}
    latest = -1
    for index in order:
        operation = by_index.get(index)
        if operation is None or operation.outcome == Type.FAIL:
            return f"no transaction that may have happened is at index {index}"
        wrong = _apply(operation, model, state)
        if wrong:
            return f"the transaction at index {index} {wrong}"
        if real_time:
            if _return_time(operation) < latest:
                return f"the transaction at index {index} had returned before one in front of it was invoked"
            latest = max(latest, operation.invoke.time)
    return None


def _return_time(operation: Operation) -> float:
    completion = operation.completion
    return float("inf") if completion is None or operation.outcome != Type.OK else completion.time


def _apply(operation: Operation, model: str, state: dict[str, Any]) -> str | None:
    known = operation.outcome == Type.OK and operation.completion is not None
    value = operation.completion.value if known and operation.completion else None
    for function, key, argument in value if value is not None else operation.invoke.value:
        name = repr(key)
        if function == "append":
            state[name] = [*state.get(name, []), argument]
        elif function == "w":
            state[name] = argument
        elif known:
            empty: Any = [] if model == "append" else None
            there = state.get(name, empty)
            if (argument or empty) != there if model == "append" else argument != there:
                return f"read {argument} of key {key}, where {there} was"
    return None
