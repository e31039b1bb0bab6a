"""What was going on when an anomaly's culprit asked: who led, which faults were in force, whom it asked."""

from __future__ import annotations

from quorate.harness.core.results import FaultRow
from quorate.reports import stored, words
from quorate.reports.evidence import Drawn
from quorate.reports.stored import StoredRun

_FAULTS_MAX = 4


def at_that_moment(run: StoredRun, culprit: Drawn | None) -> str:
    """Return it in a sentence; empty without a culprit, or where nothing is known of the moment."""
    if culprit is None:
        return ""
    begin_s = culprit.begin_us / 1e6
    end_s = culprit.end_us / 1e6 if culprit.end_us >= 0 else begin_s
    said = [_leader(run, begin_s), *_faults(run, begin_s, end_s)]
    if culprit.node:
        cut = [row for row in run.results.faults if culprit.node in row.nodes and _meets(row, begin_s, end_s)]
        affected = f", which {' and '.join(dict.fromkeys(row.fault for row in cut))} affected" if cut else ""
        said.append(f"p{culprit.process} asked {culprit.node}{affected}")
    return "; ".join(filter(None, said))


def _leader(run: StoredRun, at_s: float) -> str:
    known = [leader for leader in run.results.leaders if leader.time_s <= at_s]
    if not known:
        return ""
    last = known[-1]
    term = "" if last.term is None else f" (term {last.term})"
    return f"leader {last.node}{term}" if last.node else "no leader was known"


def _meets(row: FaultRow, begin_s: float, end_s: float) -> bool:
    inside = stored.span(row, float("inf"))
    return inside is not None and inside[0] <= end_s and begin_s <= inside[1]


def _faults(run: StoredRun, begin_s: float, end_s: float) -> list[str]:
    found = [_fault(row, begin_s) for row in run.results.faults if _meets(row, begin_s, end_s)]
    more = [f"{len(found) - _FAULTS_MAX} more faults"] if len(found) > _FAULTS_MAX else []
    return [*found[:_FAULTS_MAX], *more] or (["no fault in force"] if run.results.faults else [])


def _fault(row: FaultRow, at_s: float) -> str:
    name = f"{row.fault} of {words.listed(list(row.nodes)) or '?'}"
    began = row.began_s if row.began_s is not None else row.injected_s
    if row.injected_s is not None and at_s < row.injected_s and began is not None:
        return f"{name} being injected since {words.seconds(began)}"
    if row.heal_began_s is not None and at_s >= row.heal_began_s:
        return f"{name} being healed since {words.seconds(row.heal_began_s)}"
    since = "" if row.injected_s is None else f" since {words.seconds(row.injected_s)}"
    return f"{name} in force{since}"
