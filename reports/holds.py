"""Who held a lock when, from the operations of one key: for anomalies whose checker gives no intervals itself.

A holder certainly held from the moment its acquire was answered to the moment it asked to give the lock back; around
that, while either was on its way, it may have. A release that the service refused says that the lock had been lost
before: since when is unknown, but not before the service gave it to somebody else. So until the answer to the next
grant it was held for certain, and the rest of that stretch is a maybe; without another grant all of it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from quorate.harness.core.verdict import Anomaly
from quorate.harness.history.columns import INFO, OK
from quorate.harness.history.operations import NEVER, Ints
from quorate.reports.evidence import Drawn, Interval, intervals_of
from quorate.reports.operations import Operations

MODELS: Final = frozenset({"lock", "fenced-lock"})
_HOLDS_MAX: Final = 12


def told(anomaly: Anomaly, model: str | None, o: Operations, rows: Sequence[Drawn]) -> list[Interval]:
    """Return the checker's own intervals, or for a lock those that the history shows."""
    return intervals_of(anomaly) or (around(o, rows) if model in MODELS else [])


def around(o: Operations, rows: Sequence[Drawn]) -> list[Interval]:
    """Return the holdings of the rows' key that overlap the rows, those nearest the impossible one if too many."""
    if not rows or "acquire" not in o.functions:
        return []
    key = int(o.key[rows[0].position])
    mine = np.flatnonzero(o.key == key)
    first = min(row.begin_us for row in rows)
    last = max(max(row.begin_us, row.end_us) for row in rows)
    centre = next((row.begin_us for row in rows if row.culprit), first)
    acquire = o.functions.index("acquire")
    release = o.functions.index("release") if "release" in o.functions else -1
    found: list[tuple[int, list[Interval]]] = []
    for at in mine[(o.f[mine] == acquire) & ((o.outcome[mine] == OK) | (o.outcome[mine] == INFO))].tolist():
        later = mine[(mine > at) & (o.process[mine] == o.process[at]) & (o.f[mine] == release)]
        release_at = int(later[0]) if len(later) else None
        pieces = _pieces(o, at, release_at, _given_away(o, mine, at, acquire))
        ends = [piece.end_s for piece in pieces]
        until = last if None in ends else max(end for end in ends if end is not None) * 1e6
        if o.begin_us[at] <= last and until >= first:
            found.append((int(o.begin_us[at]), pieces))
    found.sort(key=lambda hold: abs(hold[0] - centre))
    return [piece for _, pieces in sorted(found[:_HOLDS_MAX], key=lambda hold: hold[0]) for piece in pieces]


def _given_away(o: Operations, mine: Ints, at: int, acquire: int) -> int | None:
    """When the service first answered somebody else's acquire after this one; None if it never did."""
    granted = int(o.end_us[at])
    others = mine[(o.f[mine] == acquire) & (o.outcome[mine] == OK) & (o.process[mine] != o.process[at])]
    later = o.end_us[others][o.end_us[others] > granted]
    return int(later.min()) if len(later) else None


def _pieces(o: Operations, at: int, release: int | None, given_away: int | None) -> list[Interval]:
    """One acquire and the release after it, if any, as stretches of maybe and held."""
    process, node = f"p{int(o.process[at])}", o.nodes[int(o.place[at])]
    granted_as = o.texts[int(o.got[at])] if o.outcome[at] == OK else "null"

    def piece(begin_us: int, end_us: int | None, kind: str) -> Interval:
        until = None if end_us is None else end_us / 1e6
        return Interval(
            process, node, begin_us / 1e6, until, kind, token="" if granted_as == "null" else granted_as
        )

    begin, granted = int(o.begin_us[at]), int(o.end_us[at])
    asked = int(o.begin_us[release]) if release is not None else None
    if o.outcome[at] != OK:
        return [piece(begin, asked, "maybe")]
    if release is None or asked is None:
        return [piece(begin, granted, "maybe"), piece(granted, None, "held")]
    end = None if o.end_us[release] == NEVER else int(o.end_us[release])
    if o.outcome[release] == OK or o.outcome[release] == INFO:
        return [piece(begin, granted, "maybe"), piece(granted, asked, "held"), piece(asked, end, "maybe")]
    if given_away is None or given_away > asked:
        return [piece(begin, asked, "maybe")]
    held = piece(granted, given_away, "held")
    return [piece(begin, granted, "maybe"), held, piece(given_away, asked, "maybe")]
