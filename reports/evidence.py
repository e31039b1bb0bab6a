"""Evidence in words, for every report alike: the operations of an anomaly, the cycle, who held what when.

What is not drawn is shown as it is (`rest_of`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from quorate.harness.core.evidence import Contradiction, Cycle, Holds, Mark, Step, Transaction, Value
from quorate.harness.core.verdict import Anomaly, Result
from quorate.harness.history.operations import OUTCOMES
from quorate.reports.operations import Operations
from quorate.reports.words import EDGES, cut, error_words, operation, seconds, transaction

SHOWN_MAX: Final = 60
NODES_MAX: Final = 24
_INTERVALS_MAX: Final = 200
_MARKS_MAX: Final = 24
_WHAT_MAX: Final = 40


class Drawn(msgspec.Struct, frozen=True):
    """One operation of an anomaly in words: for the diagram, the table beside it and the terminal."""

    position: int
    event: int
    completed: int
    process: int
    node: str
    words: str
    outcome: str
    begin_us: int
    end_us: int
    culprit: bool
    error: str
    version: int | None
    state: str = ""
    note: str = ""
    place: int | None = None  # in a legal order, counted from 1


def drawn(anomaly: Anomaly, operations: Operations, most: int = SHOWN_MAX) -> tuple[list[Drawn], int]:
    """Return the anomaly's operations in order of invocation; of too many, those the sentence names and those nearest.

    Also how many are left out.
    """
    positions = {operations.at(event) for event in anomaly.events}
    culprit = operations.at(anomaly.culprit) if anomaly.culprit is not None else None
    found = sorted(position for position in positions | {culprit} if position is not None)
    chosen = _nearest(anomaly.sentence, operations, found, culprit, most) if len(found) > most else found
    detail = anomaly.detail if isinstance(anomaly.detail, Contradiction) else Contradiction()
    # In a part of the evidence states would puzzle.
    steps = {step.operation: step for step in detail.steps} if chosen is found else {}
    rows = [_row(operations, position, position == culprit, steps, detail.reads) for position in chosen]
    return rows, len(found) - len(chosen)


def _nearest(sentence: str, o: Operations, found: Sequence[int], culprit: int | None, most: int) -> list[int]:
    """The culprit, the operations that the sentence names by process and time, then the nearest before the culprit."""
    named = [position for position in found if _named(sentence, o, position)][: most // 2]
    kept = {culprit, *named} - {None}
    centre = found.index(culprit) if culprit in found else len(found) - 1
    by_distance = sorted(range(len(found)), key=lambda number: abs(number - centre))
    for number in by_distance:
        if len(kept) >= most:
            break
        kept.add(found[number])
    return sorted(position for position in kept if position is not None)


def _named(sentence: str, o: Operations, at: int) -> bool:
    if not re.search(rf"\bp{int(o.process[at])}\b", sentence):
        return False
    return any(seconds(moment / 1e6) in sentence for moment in (int(o.begin_us[at]), int(o.end_us[at])))


def _row(
    o: Operations,
    at: int,
    culprit: bool,  # noqa: FBT001
    steps: Mapping[int, Step],
    reads: Mapping[str, Value],
) -> Drawn:
    outcome = OUTCOMES[int(o.outcome[at])]
    asked, got = o.texts[int(o.asked[at])], o.texts[int(o.got[at])]
    event = int(o.invoked[at])
    if str(event) in reads:
        got = json_text(reads[str(event)])
    step = steps.get(event) or Step(event)
    error = o.error_text(at)
    return Drawn(
        position=at,
        event=event,
        completed=int(o.completed[at]),
        process=int(o.process[at]),
        node=o.nodes[int(o.place[at])],
        words=operation(o.functions[int(o.f[at])], o.keys[int(o.key[at])].strip('"'), asked, got, outcome),
        outcome=outcome,
        begin_us=int(o.begin_us[at]),
        end_us=int(o.end_us[at]),
        culprit=culprit,
        error=cut(error_words(error), 200),
        version=int(o.version[at]) if o.version[at] >= 0 else None,
        state=cut(step.state, 200),
        note=cut(step.text, 300),
        place=step.place,
    )


def json_text(value: Value) -> str:
    """Write a value as JSON, or as Python does where it has none."""
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, msgspec.MsgspecError):
        return str(value)


class Edge(msgspec.Struct, frozen=True):
    """One dependency of a cycle, in words."""

    source: str
    target: str
    kind: str
    why: str


class Member(msgspec.Struct, frozen=True):
    """One transaction of a cycle in words: who did it, and its steps, each with whether an edge speaks of its key."""

    name: str
    who: str
    steps: Sequence[tuple[str, bool]]


class Interval(msgspec.Struct, frozen=True):
    """A stretch in which a process held something, or may have (`kind` is held or maybe); seconds."""

    process: str
    node: str
    begin_s: float
    end_s: float | None
    kind: str
    token: str


def _cycle(anomaly: Anomaly) -> Cycle:
    return anomaly.detail if isinstance(anomaly.detail, Cycle) else Cycle()


def cycle_of(anomaly: Anomaly, rows: Sequence[Drawn]) -> tuple[list[Edge], dict[str, str]]:
    """Return the cycle's edges between T1, T2, … and what each of these is in words.

    Ends are names of the cycle's transactions, or events' indexes (then the transaction is looked up), or any names.
    """
    by_event = {row.event: f"p{row.process} {row.words}" for row in rows}
    cycle = _cycle(anomaly)
    by_name = {row.name: _transaction(row, by_event) for row in cycle.transactions}
    names: dict[str, str] = {}
    legend: dict[str, str] = {}

    def name(end: str | int) -> str:
        known = json_text(end)
        if known not in names:
            if isinstance(end, str) and end in by_name:
                shown, told = end, by_name[end]
            else:
                shown, told = f"T{len(names) + 1}", by_event.get(end, "") if isinstance(end, int) else end
            names[known], legend[shown] = shown, cut(told, 400)
        return names[known]

    edges = []
    for row in cycle.cycle[:NODES_MAX]:
        why = row.why or EDGES.get(row.kind, "")
        edges.append(Edge(name(row.source), name(row.target), row.kind, cut(why, 400)))
    return edges, legend


def loop_of(
    anomaly: Anomaly, rows: Sequence[Drawn], edges: Sequence[Edge], legend: Mapping[str, str]
) -> list[tuple[Member, Edge]]:
    """Return each transaction of a cycle with the edge that leads to the next, or [] where the edges make no loop."""
    following = zip(edges, [*edges[1:], *edges[:1]], strict=True)
    if not edges or any(one.target != other.source for one, other in following):
        return []
    by_event = {row.event: row for row in rows}
    known = {row.name: row for row in _cycle(anomaly).transactions}
    ends = [row.source for row in _cycle(anomaly).cycle[:NODES_MAX]]
    found = []
    for edge, end in zip(edges, ends, strict=True):
        event = known[edge.source].index if edge.source in known else end
        row = by_event.get(event) if isinstance(event, int) else None
        why = " ".join(one.why for one in edges if edge.source in (one.source, one.target))
        words = legend[edge.source]
        who = ""
        if row is not None:
            until = "never answered" if row.end_us < 0 else seconds(row.end_us / 1e6)
            who = f"p{row.process} on {row.node or '?'}, {seconds(row.begin_us / 1e6)} to {until}"
            words = words.removeprefix(f"p{row.process} ")
        steps = words.split(" · ") if words else []
        found.append((Member(edge.source, who, [(step, _spoken(step, why)) for step in steps]), edge))
    return found


def _spoken(step: str, why: str) -> bool:
    """Whether an edge's explanation speaks of the key of a step such as `r x → [1,2]`."""
    words = step.split(" ", 2)
    return len(words) > 1 and re.search(rf"\bkey \"?{re.escape(words[1])}\b", why) is not None


def without_culprit(rows: Sequence[Drawn]) -> list[Drawn]:
    """Return the operations of a cycle: each of them could have happened, only not all of them."""
    return [msgspec.structs.replace(row, culprit=False) for row in rows]


def _transaction(row: Transaction, by_event: Mapping[int, str]) -> str:
    if row.index is not None and row.index in by_event:
        return by_event[row.index]
    return f"p{row.process} {transaction(json_text(row.value), 400)}"


def chosen(guarantees: Sequence[Result]) -> list[tuple[Result, Anomaly]]:
    """Return all anomalies, the first of each name of each guarantee before the seconds.

    So no kind of anomaly crowds out the others where only some are shown.
    """
    found = []
    for result in guarantees:
        seen: Counter[str] = Counter()
        for anomaly in result.anomalies:
            found.append((seen[anomaly.name], result, anomaly))
            seen[anomaly.name] += 1
    found.sort(key=lambda item: item[0])
    return [(result, anomaly) for _, result, anomaly in found]


def marks_of(anomaly: Anomaly) -> list[Mark]:
    """Return the moments beside the holdings."""
    marks = anomaly.detail.marks if isinstance(anomaly.detail, Holds) else ()
    return [Mark(mark.at_s, cut(mark.what, _WHAT_MAX)) for mark in marks[:_MARKS_MAX]]


def intervals_of(anomaly: Anomaly) -> list[Interval]:
    """Return who held what when, as the checker says."""
    holds = anomaly.detail.intervals if isinstance(anomaly.detail, Holds) else ()
    return [
        Interval(
            process=f"p{hold.process}",
            node=hold.node or "",
            begin_s=hold.from_s,
            end_s=hold.to_s,
            kind=hold.kind,
            token="" if hold.token is None else str(hold.token),
        )
        for hold in holds[:_INTERVALS_MAX]
    ]


_DRAWN: Final = frozenset(
    {
        "kind",
        "cycle",
        "transactions",
        "intervals",
        "marks",
        "at",
        "missing",
        "watch",
        "list",
        "steps",
        "facts",
    }
)


def rest_of(anomaly: Anomaly) -> dict[str, Value]:
    """Return what of the evidence no report draws, by name."""
    plain: dict[str, Value] = msgspec.to_builtins(anomaly.detail)
    return {key: value for key, value in plain.items() if key not in _DRAWN} | dict(anomaly.detail.facts)
