"""Judging a history by a user's own model, key by key."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np

from quorate.checkers.custom.minimal import Sub, reduce
from quorate.checkers.custom.model import Model
from quorate.checkers.custom.search import Budget, Operation, Search
from quorate.checkers.explain import when
from quorate.harness.core.evidence import Contradiction
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict, proven
from quorate.harness.history import Event, History
from quorate.harness.history.columns import FAIL, INFO, INVOKE, NONE

# How many configurations are kept (all where there is no number), and for which share of the time that is left.
_SLICES: Final = ((None, 0.05), (4, 0.1), (32, 0.2), (256, 0.3), (None, 1.0))
# Operations of a contradiction named in its sentence.
_TOLD_MAX: Final = 5


def check_custom(source: History | Iterable[Event], model: Model, limits: Limits | None = None) -> Result:
    """Judge each key of a history by a user's model. Limits as everywhere: hitting one is `unknown`."""
    history = source if isinstance(source, History) else History.of(source)
    limits = limits or Limits()
    started, budget = time.perf_counter(), Budget(limits)
    parts: dict[str, str] = {}
    anomalies: list[Anomaly] = []
    reason, operations = "", 0
    order = _order(history)
    for key, part in _parts(history, model, order).items():
        search, verdict, stuck = _searched(model, part, budget)
        operations += len(part)
        parts[key] = verdict.value
        if verdict is Verdict.UNKNOWN:
            reason = f"{search.reason} ({search.explained} of {len(part)} operations explained)"
        if stuck is not None:
            anomalies.append(_anomaly(history, model, reduce(model, part, stuck, budget), order))
    worst = Verdict.INVALID if anomalies else Verdict.UNKNOWN if reason else Verdict.VALID
    return proven(
        Result(
            guarantee="linearizable",
            verdict=worst,
            engine="python-search",
            model=model.name,
            reason=reason,
            operations=operations,
            anomalies=anomalies,
            time_s=time.perf_counter() - started,
            parts={key: verdict for key, verdict in parts.items() if verdict != Verdict.VALID.value},
        ),
        history,
    )


def _searched(model: Model, part: list[Operation], budget: Budget) -> tuple[Search, Verdict, int | None]:
    """Search exactly for a little, then among few configurations, which finds most orders, then to the end."""
    for width, share in _SLICES:
        now = time.perf_counter()
        until = now + share * (budget.deadline - now)
        search = Search(model, part, budget, until, width)
        verdict, stuck = search.run()
        if verdict is not Verdict.UNKNOWN:
            break
    return search, verdict, stuck


def _order(history: History) -> list[int]:
    """Positions of events in time: where times tie, invocations come before completions, so that ties only widen."""
    columns = history.columns
    groups = np.concatenate([[0], np.cumsum(np.diff(columns.time) != 0)])[: len(columns.time)]
    return [int(at) for at in np.lexsort((columns.kind != INVOKE, groups))]


def _parts(history: History, model: Model, order: list[int]) -> dict[str, list[Operation]]:
    """Operations by key, in the order of their invocations. Moments are places in `order`."""
    columns = history.columns
    moment = [0] * len(order)
    for place, at in enumerate(order):
        moment[at] = place
    parts: dict[str, list[Operation]] = {}
    for operation in history.operations():
        at = history.position(operation.invoke.index)
        pair = columns.pair[at]
        end = None if pair == NONE or columns.kind[pair] == INFO else int(pair)
        if end is not None and columns.kind[end] == FAIL:
            continue
        event = operation.invoke
        result = None if end is None or operation.completion is None else operation.completion.value
        key = msgspec.json.encode(event.key).decode()
        parts.setdefault(key, []).append(
            Operation.of(moment[at], None if end is None else moment[end], event, result, model.looks)
        )
    return {key: sorted(part, key=lambda one: one.call) for key, part in parts.items()}


def _anomaly(history: History, model: Model, sub: Sub, order: list[int]) -> Anomaly:
    bad, columns = sub.culprit, history.columns
    end = order[bad.end if bad.end is not None else bad.call]
    others = [_words(model, one) for one in sub.operations if one is not bad]
    beside = (
        ", which is never possible"
        if not others
        else f", which fits no order with: {'; '.join(others[:_TOLD_MAX])}"
    )
    more = f" and {len(others) - _TOLD_MAX} more" if len(others) > _TOLD_MAX else ""
    positions = sorted(order[at] for one in sub.operations for at in (one.call, one.end) if at is not None)
    return Anomaly(
        name="no order",
        sentence=f"{_words(model, bad)} {when(history, end)}{beside}{more}",
        key=bad.event.key,
        events=[int(columns.index[at]) for at in positions],
        culprit=bad.event.index,
        detail=Contradiction(minimal=sub.minimal),
    )


def _words(model: Model, one: Operation) -> str:
    event = one.event
    words = f"{event.f} {event.value!r} answered {one.result!r}"
    if one.end is None:
        words = f"{event.f} {event.value!r} (outcome unknown)"
    elif model.describe:
        words = model.describe(event.f, event.value, one.result)
    return f"p{event.process} {words}"
