"""One small history for each anomaly of transactions: what clients did, and what it must be called.

A plant is a list of rounds; the transactions of a round run at once, rounds one after the other, each transaction on a
separate process unless it names one. Keys "x" and "y" are the plant's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

Ops = list[list[Any]]


class T(NamedTuple):
    """A transaction: its completed operations, how it ended, its process (None: a separate one).

    A `long` one lasts until all rounds are over.
    """

    ops: Ops
    type: str = "ok"
    process: int | None = None
    long: bool = False


def a(key: str, value: int) -> list[Any]:
    return ["append", key, value]


def w(key: str, value: int) -> list[Any]:
    return ["w", key, value]


def r(key: str, value: Any = None) -> list[Any]:
    return ["r", key, value]


class Plant(NamedTuple):
    """What happened; the names that must be found; the strongest models that must still hold."""

    model: str
    rounds: list[list[T]]
    names: set[str]
    strongest: set[str]


RU: Final[set[str]] = set()
SI: Final = {"strong-snapshot-isolation"}
STRONG_RU: Final = {"strong-read-uncommitted"}
STRONG_RC: Final = {"strong-read-committed"}
INSIDE: Final = {"consistent-view", "repeatable-read"} | STRONG_RC
SINGLE: Final = {"cursor-stability"} | STRONG_RC
# Reads that do not repeat: atomic views still hold, for the second read missed nothing.
FUZZY: Final = {"cursor-stability", "monotonic-atomic-view"} | STRONG_RC


def fork(process: int | None) -> list[list[T]]:
    """Two long transactions, one saw the other; a later reader missed the one, the other missed an earlier writer."""
    return [
        [
            T([a("x", 1)], long=True),
            T([r("x", [1]), r("y")], long=True),
            T([a("y", 1)], process=process),
        ],
        [T([r("x")], process=process)],
    ]


def skew(process: int | None) -> list[list[T]]:
    """A long transaction that missed an earlier one, and was missed by a later one."""
    return [
        [T([r("y"), a("x", 1)], long=True), T([a("y", 1)], process=process)],
        [T([r("x")], process=process)],
    ]


PLANTS: Final[dict[str, Plant]] = {
    "G0": Plant(
        "append",
        [
            [T([a("x", 1), a("y", 1)]), T([a("x", 2), a("y", 2)]), T([r("x", [1, 2])]), T([r("y", [2, 1])])],
        ],
        {"G0"},
        RU,
    ),
    "G1a": Plant("append", [[T([a("x", 1)], "fail"), T([r("x", [1])])]], {"G1a"}, STRONG_RU),
    "dirty-update": Plant(
        "append",
        [[T([a("x", 1)], "fail"), T([a("x", 2)]), T([r("x", [1, 2])])]],
        {"G1a", "dirty-update"},
        STRONG_RU,
    ),
    "G1b": Plant(
        "append",
        [[T([a("x", 1), a("x", 2)]), T([r("x", [1])]), T([r("x", [1, 2])])]],
        {"G1b", "G-single"},
        STRONG_RU,
    ),
    "G1c": Plant("append", [[T([a("x", 1), r("y", [1])]), T([a("y", 1), r("x", [1])])]], {"G1c"}, STRONG_RU),
    "future-read": Plant("append", [[T([r("x", [1]), a("x", 1)])]], {"future-read"}, STRONG_RU),
    "G-single": Plant(
        "append", [[T([a("x", 1), a("y", 1)]), T([r("x", [1]), r("y")])]], {"G-single", "OTV"}, SINGLE
    ),
    "G-nonadjacent": Plant(
        "append",
        [
            [
                T([a("x", 1)]),
                T([a("x", 2)]),
                T([a("y", 1)]),
                T([r("x", [1, 2]), r("y")]),
                T([r("x"), r("y", [1])]),
            ],
        ],
        {"G-nonadjacent"},
        {"parallel-snapshot-isolation"} | STRONG_RC,
    ),
    "long-fork": Plant(
        "append",
        [[T([a("x", 1)]), T([a("y", 1)]), T([r("x", [1]), r("y")]), T([r("x"), r("y", [1])])]],
        {"long-fork"},
        {"parallel-snapshot-isolation"} | STRONG_RC,
    ),
    "G2-item": Plant("append", [[T([r("x"), a("y", 1)]), T([r("y"), a("x", 1)])]], {"G2-item"}, SI),
    "lost-update": Plant(
        "append",
        [[T([r("x"), a("x", 1)]), T([r("x"), a("x", 2)]), T([r("x", [1, 2])])]],
        {"lost-update", "G-single"},
        {"read-atomic"} | STRONG_RC,
    ),
    "lost-update-unseen": Plant(
        "append",
        [[T([r("x"), a("x", 1)]), T([r("x"), a("x", 2)])]],
        {"lost-update", "G2-item"},
        {"read-atomic"} | STRONG_RC,
    ),
    "internal": Plant("append", [[T([a("x", 1), r("x")])]], {"internal"}, INSIDE),
    "internal-reads": Plant(
        "append",
        [[T([a("x", 1)]), T([r("x"), r("x", [1])])]],
        {"internal", "G-single", "fractured-read"},
        FUZZY,
    ),
    "incompatible-order": Plant(
        "append",
        [[T([a("x", 1)]), T([a("x", 2)]), T([r("x", [1, 2])]), T([r("x", [2, 1])])]],
        {"incompatible-order"},
        STRONG_RU,
    ),
    "duplicate-elements": Plant(
        "append", [[T([a("x", 1)]), T([r("x", [1, 1])])]], {"duplicate-elements"}, RU
    ),
    "garbage-read": Plant("append", [[T([r("x", [9])])]], {"garbage-read"}, RU),
    "G0-realtime": Plant(
        "append",
        [[T([a("x", 1)])], [T([a("x", 2)])], [T([r("x", [2, 1])])]],
        {"G0-realtime"},
        {"strong-session-serializable"},
    ),
    "G1c-realtime": Plant(
        "append",
        [[T([r("x", [1]), a("y", 1)])], [T([r("y", [1]), a("y", 2)])], [T([a("x", 1)])]],
        {"G1c-realtime"},
        {"strong-session-serializable", "strong-read-uncommitted"},
    ),
    "G-single-realtime": Plant(
        "append",
        [[T([a("x", 1)])], [T([r("x")])], [T([r("x", [1])])]],
        {"G-single-realtime"},
        {"strong-session-serializable", "strong-read-committed"},
    ),
    "G-single-process": Plant(
        "append",
        [[T([a("x", 1)], process=90)], [T([r("x")], process=90)], [T([r("x", [1])])]],
        {"G-single-process"},
        {"serializable", "strong-read-committed"},
    ),
    "G0-process": Plant(
        "append",
        [[T([a("x", 1)], process=90)], [T([a("x", 2)], process=90)], [T([r("x", [2, 1])])]],
        {"G0-process"},
        {"serializable"},
    ),
    "G1c-process": Plant(
        "append",
        [[T([r("x", [1])], process=90)], [T([a("x", 1)], process=90)]],
        {"G1c-process"},
        {"serializable", "strong-read-uncommitted"},
    ),
    "G-nonadjacent-process": Plant(
        "append", fork(90), {"G-nonadjacent-process"}, {"serializable"} | STRONG_RC
    ),
    "G-nonadjacent-realtime": Plant(
        "append", fork(None), {"G-nonadjacent-realtime"}, {"strong-session-serializable"} | STRONG_RC
    ),
    "G2-item-process": Plant("append", skew(90), {"G2-item-process"}, {"serializable"} | SI),
    "G2-item-realtime": Plant(
        "append", skew(None), {"G2-item-realtime"}, {"strong-session-serializable"} | SI
    ),
    "rw-G1a": Plant("rw", [[T([w("x", 1)], "fail"), T([r("x", 1)])]], {"G1a"}, STRONG_RU),
    "rw-G1b": Plant("rw", [[T([w("x", 1), w("x", 2)]), T([r("x", 1)])]], {"G1b"}, STRONG_RU),
    "rw-G1c": Plant("rw", [[T([w("x", 1), r("y", 1)]), T([w("y", 1), r("x", 1)])]], {"G1c"}, STRONG_RU),
    "rw-G-single": Plant(
        "rw", [[T([w("x", 1), w("y", 1)]), T([r("x", 1), r("y")])]], {"G-single", "OTV"}, SINGLE
    ),
    "rw-G2-item": Plant("rw", [[T([r("x"), w("y", 1)]), T([r("y"), w("x", 1)])]], {"G2-item"}, SI),
    "rw-long-fork": Plant(
        "rw",
        [[T([w("x", 1)]), T([w("y", 1)]), T([r("x", 1), r("y")]), T([r("x"), r("y", 1)])]],
        {"long-fork"},
        {"parallel-snapshot-isolation"} | STRONG_RC,
    ),
    "rw-lost-update": Plant(
        "rw",
        [[T([r("x"), w("x", 1)]), T([r("x"), w("x", 2)])]],
        {"lost-update", "G2-item"},
        {"read-atomic"} | STRONG_RC,
    ),
    "rw-dirty-update": Plant(
        "rw", [[T([w("x", 1)], "fail"), T([r("x", 1), w("x", 2)])]], {"G1a", "dirty-update"}, STRONG_RU
    ),
    "rw-cyclic-versions": Plant(
        "rw",
        [[T([r("x", 1), w("x", 2)]), T([r("x", 2), w("x", 1)])]],
        {"cyclic-versions", "G1c"},
        STRONG_RU,
    ),
    "rw-internal": Plant("rw", [[T([w("x", 1), r("x", 2)]), T([w("x", 2)])]], {"internal"}, INSIDE),
    "rw-garbage-read": Plant("rw", [[T([r("x", 9)])]], {"garbage-read"}, RU),
    "fractured-read": Plant(
        "append",
        [[T([a("x", 1), a("y", 1)]), T([r("y"), r("x", [1])])]],
        {"G-single", "fractured-read"},
        FUZZY,
    ),
    "own-appends-reordered": Plant(
        "append",
        [[T([a("x", 1), a("x", 2)]), T([r("x", [2, 1])])]],
        {"own-appends-reordered", "G1b"},
        RU,
    ),
    "own-append-missing": Plant(
        "append", [[T([a("x", 1), a("x", 2)]), T([r("x", [2])])]], {"own-appends-reordered", "G-single"}, RU
    ),
    "overtaken-update": Plant(
        "append",
        [[T([r("x"), a("x", 2)]), T([a("x", 1)]), T([r("x", [1, 2])])]],
        {"lost-update", "G-single"},
        {"read-atomic"} | STRONG_RC,
    ),
    "second-read-aborted": Plant(
        "append", [[T([a("x", 1)], "fail"), T([r("x"), r("x", [1])])]], {"G1a", "internal"}, STRONG_RU
    ),
    "rw-second-read-aborted": Plant(
        "rw", [[T([w("x", 1)], "fail"), T([r("x"), r("x", 1)])]], {"G1a", "internal"}, STRONG_RU
    ),
    "rw-second-read-garbage": Plant("rw", [[T([r("x"), r("x", 9)])]], {"garbage-read", "internal"}, RU),
    "rw-stale": Plant(
        "rw",
        [[T([w("x", 1)])], [T([r("x")])]],
        {"G-single-realtime"},
        {"strong-session-serializable", "strong-read-committed"},
    ),
    "rw-overwritten": Plant(
        "rw",
        [[T([w("x", 1)])], [T([w("x", 2)])], [T([r("x", 1)])]],
        {"cycle-realtime", "write-conflict-realtime"},
        {"strong-session-serializable", "strong-read-committed"},
    ),
}


def asked(ops: Ops) -> Ops:
    """What the client sent: reads without their results."""
    return [r(key) if name == "r" else [name, key, value] for name, key, value in ops]


def events(
    plant: Plant, index: int = 0, time: int = 0, processes: int = 1_000_000
) -> Iterator[dict[str, Any]]:
    """The plant as events of the exchange format, from an index and a time on."""
    late: list[tuple[int, T]] = []
    for number, one in enumerate(plant.rounds):
        named = [
            (processes + (1000 + index + place if txn.process is None else txn.process), txn)
            for place, txn in enumerate(one)
        ]
        for process, txn in named:
            yield event(index, time + index, process, "invoke", asked(txn.ops))
            index += 1
        late += [pair for pair in named if pair[1].long]
        ending = [pair for pair in named if not pair[1].long]
        for process, txn in ending + (late if number == len(plant.rounds) - 1 else []):
            value = txn.ops if txn.type == "ok" else asked(txn.ops)
            yield event(index, time + index, process, txn.type, value)
            index += 1


def event(index: int, time: int, process: int, kind: str, value: Ops | None) -> dict[str, Any]:
    return {"index": index, "time": time, "process": process, "type": kind, "f": "txn", "value": value}
