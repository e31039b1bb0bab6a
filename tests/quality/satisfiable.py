"""Are transactions on registers serializable, or of snapshots? Asked of a SAT solver, for what brute force cannot try.

One variable says of two writers of a key which came first, known dependencies are fixed, and a model whose edges lead
in a circle is refused with that circle until none is left (python-sat). Shares nothing with the engine. Values are
unique, null is never written.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any, NamedTuple

from pysat.solvers import Cadical153

Node = tuple[int, str]


class Txn(NamedTuple):
    """A transaction: what it read (None: not known), what it wrote, and how it ended."""

    ops: list[list[Any]]
    outcome: str


class Impossible(Exception):  # noqa: N818 - not an error, an answer
    """No order explains a read, whatever the others are."""


def transactions(events: list[dict[str, Any]]) -> list[Txn]:
    running: dict[int, list[list[Any]]] = {}
    found = []
    for event in events:
        if event["type"] == "invoke":
            running[event["process"]] = event["value"]
            continue
        asked = running.pop(event["process"])
        known = event["type"] == "ok" and event["value"] is not None
        ops = event["value"] if known else [op for op in asked if op[0] == "w"]
        found.append(Txn(ops, event["type"]))
    found += [Txn([op for op in ops if op[0] == "w"], "info") for ops in running.values()]
    return found


def satisfies(events: list[dict[str, Any]], *, snapshots: bool) -> bool:
    """Whether some order of all that happened (with `snapshots`, of beginnings and ends) explains every read."""
    try:
        fixed, either = constraints(transactions(events), snapshots=snapshots)
    except Impossible:
        return False
    return solve(fixed, either)


def constraints(txns: list[Txn], *, snapshots: bool):
    """Edges that must hold, and pairs of sets of edges of which one must hold whole."""
    writer = {
        (key, value): (at, place)
        for at, txn in enumerate(txns)
        for place, (f, key, value) in enumerate(txn.ops)
        if f == "w"
    }
    seen = {
        writer[key, value][0]
        for txn in txns
        for f, key, value in txn.ops
        if f == "r" and (key, value) in writer
    }
    happened = [
        at for at, txn in enumerate(txns) if txn.outcome == "ok" or (txn.outcome == "info" and at in seen)
    ]
    end = "end" if snapshots else "begin"
    fixed = [((at, "begin"), (at, "end")) for at in happened if snapshots]
    writers: dict[Any, set[int]] = {}
    for at in happened:
        for f, key, _ in txns[at].ops:
            if f == "w":
                writers.setdefault(key, set()).add(at)
    sources: dict[tuple[int, Any], list[int]] = {}
    for at in happened:
        for key, source in outside(txns, at, writer).items():
            if source is None:
                fixed += [((at, "begin"), (other, end)) for other in writers.get(key, ()) if other != at]
                continue
            fixed.append(((source, end), (at, "begin")))
            sources.setdefault((source, key), []).append(at)
    either = []
    for key, those in writers.items():
        for one, other in combinations(sorted(those), 2):
            ways = []
            for first, second in ((one, other), (other, one)):
                edges = [((first, end), (second, "begin"))]
                readers = sources.get((first, key), ())
                edges += [((reader, "begin"), (second, end)) for reader in readers if reader != second]
                ways.append(edges)
            either.append(ways)
    return fixed, either


def outside(txns: list[Txn], at: int, writer: dict) -> dict[Any, int | None]:
    """What a transaction read of others, by key: who wrote it, None for the beginning."""
    now: dict[Any, Any] = {}
    found: dict[Any, int | None] = {}
    for f, key, value in txns[at].ops:
        if f == "w" or key in now:
            if f == "r" and now[key] != value:
                raise Impossible
            now[key] = value
            continue
        now[key] = value
        if value is None:
            found[key] = None
            continue
        source, place = writer.get((key, value), (None, 0))
        if source is None or source == at or txns[source].outcome == "fail":
            raise Impossible
        if any(op[:2] == ["w", key] for op in txns[source].ops[place + 1 :]):
            raise Impossible
        found[key] = source
    return found


def solve(fixed, either) -> bool:
    with Cadical153() as solver:
        for number in range(1, len(either) + 1):
            solver.add_clause([number, -number])
        while solver.solve():
            model = solver.get_model() or []
            edges: dict[tuple[Node, Node], int] = {}
            for number, ways in enumerate(either, 1):
                chosen = number if model[number - 1] > 0 else -number
                for edge in ways[0] if chosen > 0 else ways[1]:
                    edges.setdefault(edge, chosen)
            edges |= dict.fromkeys(fixed, 0)
            circle = circle_of(edges)
            if circle is None:
                return True
            solver.add_clause([-edges[edge] for edge in circle if edges[edge]])
            if not any(edges[edge] for edge in circle):
                return False
    return False


def circle_of(edges) -> list[tuple[Node, Node]] | None:
    """Some circle of the edges, if there is one."""
    after: dict[Node, list[Node]] = {}
    for one, other in edges:
        after.setdefault(one, []).append(other)
    done: set[Node] = set()
    for start, successors in after.items():
        if start in done:
            continue
        path, on = [start], {start}
        stack = [(start, iter(successors))]
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                stack.pop()
                path.pop()
                on.discard(node)
                done.add(node)
            elif following in on:
                circle = [*path[path.index(following) :], following]
                return list(pairwise(circle))
            elif following not in done:
                stack.append((following, iter(after.get(following, ()))))
                path.append(following)
                on.add(following)
    return None
