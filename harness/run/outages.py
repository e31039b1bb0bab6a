"""Outages in seconds: stretches in which nothing of what was asked was served, in all and by node.

A stretch begins when an operation is waiting and none has been served since, and ends with the next operation that is
served, or with the last that waited. Shares of operations hide it: clients that wait for an answer ask nothing more.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from quorate.harness.core import results
from quorate.harness.core.results import Outage, Outages, Window
from quorate.harness.history.operations import Floats, Operations

_SHOWN_S: Final = 0.5  # shorter stretches are not listed; the longest always is
_LISTED_MAX: Final = 1000
_IDLE_S: Final = 1.0  # clients that ask nothing for longer are not waiting

Stretch = tuple[float, float]


def stretches(
    begin_s: Floats, finish_s: Floats, served: npt.NDArray[np.bool_], end_s: float
) -> list[Stretch]:
    """Return the stretches (from, to) in which nothing was served while something was asked, in order.

    Only operations begun before `end_s` count; one that never ended waits until then.
    """
    chosen = begin_s < end_s
    begin_s, served = begin_s[chosen], served[chosen]
    finish_s = np.where(np.isfinite(finish_s[chosen]), finish_s[chosen], end_s)
    if not len(begin_s):
        return []
    answers = np.sort(finish_s[served])
    edges = np.concatenate(([-np.inf], answers, [np.inf]))
    # An operation waits in one gap between answers if it is not served, and up to its own answer if it is.
    order = np.argsort(begin_s, kind="stable")
    begin_s, finish_s = begin_s[order], finish_s[order]
    latest = np.maximum.accumulate(finish_s)
    left = np.flatnonzero(np.diff(edges) > 0)
    start, stop = edges[left], edges[left + 1]
    first = np.searchsorted(begin_s, start, side="right")
    last = np.searchsorted(begin_s, stop, side="left")
    waiting = (first > 0) & (latest[first - 1] > start)
    following = np.append(begin_s, np.inf)[first]
    begin = np.where(waiting, start, following)
    end = np.where(np.isfinite(stop), stop, latest[last - 1])
    some = np.flatnonzero((waiting | (following < stop)) & (end > begin))
    found = []
    for at, since, until in zip(some.tolist(), begin[some].tolist(), end[some].tolist(), strict=True):
        if until - since <= _IDLE_S:
            found.append((since, until))
        else:
            within = slice(first[at], last[at])
            found += _asked(since, until, begin_s[within], latest[max(first[at] - 1, 0) : last[at]])
    return found


def _asked(begin: float, end: float, begin_s: Floats, latest: Floats) -> list[Stretch]:
    """Split a stretch where no client asked for long; `latest[-n]` is when those up to `begin_s[-n]` had ended."""
    before = (
        latest[-len(begin_s) - 1 : -1]
        if len(latest) > len(begin_s)
        else np.concatenate(([begin], latest[:-1]))
    )
    found, since = [], begin
    for at in np.flatnonzero(begin_s - before > _IDLE_S):
        if before[at] > since:
            found.append((since, float(before[at])))
        since = max(since, float(begin_s[at]))
    return [*found, (since, end)] if end > since else found


def summary(operations: Operations, end_s: float) -> Outages:
    """Return seconds without any service, in all and by node, with the stretches that are long enough to matter."""
    began, ended = operations.begin_s, operations.end_s
    served = operations.served() & np.isfinite(ended)
    in_all = stretches(began, ended, served, end_s)
    nodes = {}
    for name, chosen in operations.by_node():
        mine = stretches(began[chosen], ended[chosen], served[chosen], end_s)
        nodes[name] = _outage(mine)
    found = _outage(in_all)
    return Outages(found.total_s, found.longest_s, found.stretches, nodes)


def longest_within(found: list[Stretch], from_s: float, to_s: float) -> float:
    """Return the length of the longest stretch that touches the time given."""
    return round(max((end - begin for begin, end in found if begin < to_s and end > from_s), default=0.0), 3)


def by_node(found: Outages) -> list[Window]:
    """Return the listed stretches of all nodes, in order of time."""
    windows = [
        Window(node, stretch.from_s, stretch.to_s)
        for node, outage in found.nodes.items()
        for stretch in outage.stretches
    ]
    return sorted(windows, key=lambda window: (window.from_s, window.node))


def _outage(found: list[Stretch]) -> Outage:
    lengths = [end - begin for begin, end in found]
    long = [(begin, end) for begin, end in found if end - begin >= _SHOWN_S]
    return Outage(
        total_s=round(sum(end - begin for begin, end in long), 3),
        longest_s=round(max(lengths, default=0.0), 3),
        stretches=[results.Stretch(round(begin, 3), round(end, 3)) for begin, end in long[:_LISTED_MAX]],
    )
