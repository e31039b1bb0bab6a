"""Ways to make a run smaller, the most drastic first: each pass gives candidates, whoever asks decides about them.

Faults are dropped by halves, then quarters, then one by one, as in delta debugging (Zeller and Hildebrandt, IEEE
Transactions on Software Engineering, 2002).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from quorate.harness.core import registry
from quorate.harness.core.test import Test
from quorate.harness.experiments.candidate import Candidate
from quorate.harness.run.choosing import numbers, ranges
from quorate.nemesis.rows import Row

# What says which server it is, not how it is asked: without it, it would be another system.
_KEPT_SETTINGS: Final = frozenset({"bug", "binary", "home", "image", "only"})
_PLAIN: Final = Test()
_LEAST_LOAD_S: Final = 1.0  # of real servers; in virtual time a twentieth
_LEAST_FAULT_S: Final = 0.05
_FEW_OPERATIONS: Final = 10
_OPERATIONS_MAX: Final = 400  # of which single ones are left out
_LEAD_S: Final = 0.5  # that a load has before the first fault


class Move(msgspec.Struct, frozen=True):
    """One thing to try: what it does, in words, and what is then left."""

    words: str
    to: Candidate


Pass = Callable[[Candidate], Iterator[Move]]


def stopping(now: Candidate) -> Iterator[Move]:
    """End at the anomaly: what comes after it shows nothing new, and every later trial is shorter."""
    if not now.test.stop_on_anomaly:
        yield Move("stop at the anomaly", now.but(stop_on_anomaly=True))


def fewer_faults(now: Candidate) -> Iterator[Move]:
    """Drop all faults, halves of them, quarters, single ones."""
    count = len(now.rows)
    size = count
    while size >= 1:
        for start in range(0, count, size):
            rows = now.rows[:start] + now.rows[start + size :]
            gone = count - len(rows)
            words = "drop all faults" if not rows else f"drop {_count(gone, 'fault')} of {count}"
            yield Move(words, _fitting(now.with_rows(rows)))
        size = size // 2 if size > 1 else 0


def fewer_operations(now: Candidate, drawn: int) -> Iterator[Move]:
    """In virtual time, leave out halves of the operations, quarters, single ones; `drawn` is how many there are.

    What is left is done at its moments with its values, so the last step of each size is a proof: none can be spared.
    """
    only = now.test.settings.get("only")
    kept = tuple(range(drawn)) if only is None else numbers(only)
    if not now.test.virtual or len(kept) > _OPERATIONS_MAX:
        return
    size = (len(kept) + 1) // 2
    while size >= 1 and len(kept) > 1:
        for start in range(0, len(kept), size):
            rest = kept[:start] + kept[start + size :]
            words = f"leave out {_count(len(kept) - len(rest), 'operation')} of {len(kept)}"
            yield Move(words, now.but(settings={**now.test.settings, "only": ranges(rest)}))
        size = (size + 1) // 2 if size > 1 else 0


def operations_left(candidate: Candidate) -> int | None:
    """How many operations are left of those drawn, where some were left out."""
    only = candidate.test.settings.get("only")
    return None if only is None else len(numbers(only))


def until(now: Candidate, seen_s: float) -> Iterator[Move]:
    """End the load shortly after the moment at which it showed its anomaly."""
    time = _round(seen_s + (_LEAST_LOAD_S / 4 if now.test.virtual else 2 * _LEAST_LOAD_S))
    if time < now.test.time:
        yield Move(f"load for {time:g} s instead of {now.test.time:g} s", _fitting(now.but(time=time)))


def one_workload(now: Candidate) -> Iterator[Move]:
    """Of several workloads side by side, drop each."""
    for name in now.test.workload if len(now.test.workload) > 1 else ():
        rest = tuple(other for other in now.test.workload if other != name)
        yield Move(f"drop the workload {name}", _fitting(now.but(workload=rest)))


def shorter(now: Candidate) -> Iterator[Move]:
    """Cut the load's end off."""
    least = _LEAST_LOAD_S / 20 if now.test.virtual else _LEAST_LOAD_S
    for share in (0.1, 0.3, 0.5, 0.75):
        time = _round(now.test.time * share)
        if least <= time < now.test.time:
            yield Move(f"load for {time:g} s instead of {now.test.time:g} s", _fitting(now.but(time=time)))


def earlier(now: Candidate) -> Iterator[Move]:
    """Cut the quiet before the first fault off, and that between faults."""
    for place, row in enumerate(now.rows):
        before = max((each.end for each in now.rows[:place]), default=0.0)
        idle = _round(row.at - before - _LEAD_S)
        for gap in (idle, _round(idle / 2)):
            if gap < _LEAD_S:
                continue
            rows = tuple(
                _at(each, _round(each.at - gap)) if at >= place else each for at, each in enumerate(now.rows)
            )
            sooner = Candidate(msgspec.structs.replace(now.test, time=_round(now.test.time - gap)), rows)
            yield Move(f"{row.fault} {gap:g} s sooner", sooner)


def briefer(now: Candidate) -> Iterator[Move]:
    """Heal each fault sooner."""
    for place, row in enumerate(now.rows):
        for share in (0.1, 0.5):
            length = max(_LEAST_FAULT_S, _round(row.length * share))
            if length < row.length:
                rows = (
                    *now.rows[:place],
                    msgspec.structs.replace(row, length=length),
                    *now.rows[place + 1 :],
                )
                yield Move(f"{row.fault} for {length:g} s instead of {row.length:g} s", now.with_rows(rows))


def plainer(now: Candidate) -> Iterator[Move]:
    """Put settings and options back to their defaults: all at once, then one by one."""
    kept = {
        key: value
        for key, value in now.test.settings.items()
        if key in _KEPT_SETTINGS or _is_small(key, value)
    }
    if len(now.test.settings) - len(kept) > 1:
        yield Move("all settings back to their defaults", now.but(settings=kept))
    for key in sorted(now.test.settings.keys() - kept.keys()):
        rest = {other: value for other, value in now.test.settings.items() if other != key}
        yield Move(f"{key} back to its default", now.but(settings=rest))
    if now.test.timeout != _PLAIN.timeout:
        yield Move("timeout back to its default", now.but(timeout=_PLAIN.timeout))


def fewer_clients(now: Candidate) -> Iterator[Move]:
    """Fewer clients: one, two, four, half of them."""
    least = len(now.test.workload)
    for clients in sorted({1, 2, 4, now.test.clients // 2}):
        if least <= clients < now.test.clients:
            yield Move(f"{_count(clients, 'client')} instead of {now.test.clients}", now.but(clients=clients))


def fewer_nodes(now: Candidate) -> Iterator[Move]:
    """Fewer servers, an odd number of them, where the faults need no others."""
    named = {node for row in now.rows if row.plan is not None for node in _nodes_of(row)}
    for nodes in range(1, now.test.nodes, 2):
        if named <= {f"n{number}" for number in range(1, nodes + 1)}:
            yield Move(f"{_count(nodes, 'node')} instead of {now.test.nodes}", now.but(nodes=nodes))


def slower(now: Candidate) -> Iterator[Move]:
    """Fewer operations a second."""
    rates = (
        (10.0, 100.0, 1000.0)
        if not now.test.rate
        else (now.test.rate * share for share in (0.1, 0.25, 0.5, 0.75))
    )
    for exact in rates:
        rate = max(1.0, float(round(exact)))
        if not now.test.rate or rate < now.test.rate:
            yield Move(f"{rate:g} operations a second instead of {now.test.rate:g}", now.but(rate=rate))


def fewer_keys(now: Candidate) -> Iterator[Move]:
    """One key in all, or two, and few operations on each, where the workload has such settings and there are many."""
    if not now.test.virtual and now.test.rate and now.test.rate * now.test.time <= _FEW_OPERATIONS:
        return
    known: dict[str, str] = {}
    for name in now.test.workload:
        known |= registry.find("workloads", name).described()
    for key, values in _KEYS.items():
        if key not in known:
            continue
        for value in values:
            if key in now.test.settings and _number(now.test.settings[key]) <= value:
                break
            yield Move(f"{key}={value}", now.but(settings={**now.test.settings, key: str(value)}))


_KEYS: Final = {
    "keys": (1, 2, 4),
    "names": (1, 2, 4),
    "active_keys": (1, 2),
    "max_length": (1, 2),
    "ops_per_key": (5, 10, 20),
    "prefill": (0, 20, 200),
}

# In this order: what makes every later trial cheaper comes first.
PASSES: Final[tuple[Pass, ...]] = (
    stopping,
    fewer_faults,
    one_workload,
    earlier,
    shorter,
    fewer_clients,
    slower,
    briefer,
    plainer,
    fewer_nodes,
    fewer_keys,
)


def _is_small(key: str, value: str) -> bool:
    """Whether it is what `fewer_keys` sets, which would only be set again."""
    return _number(value) in _KEYS.get(key, ())


def _fitting(candidate: Candidate) -> Candidate:
    """Leave out settings that nothing in it knows any more: those of a fault or a workload that was dropped."""
    from quorate.harness.run.settings import known_settings  # noqa: PLC0415 - it loads every fault

    test = candidate.test
    faults = tuple(f"{row.fault}:{row.target}" for row in candidate.rows)
    known = known_settings(msgspec.structs.replace(test, faults=faults))
    kept = {key: value for key, value in test.settings.items() if key in known}
    return candidate.but(settings=kept) if len(kept) < len(test.settings) else candidate


def _nodes_of(row: Row) -> set[str]:
    """Every node that a plan names, its details included: the far ends of a partition must be there too."""
    if row.plan is None:
        return set()
    left: list[Any] = [row.plan.detail]
    found = set(row.plan.nodes)
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple):
            left += value
        elif isinstance(value, str) and value[:1] == "n" and value[1:].isdigit():
            found.add(value)
    return found


def _at(row: Row, at: float) -> Row:
    return msgspec.structs.replace(row, at=max(0.0, at))


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")


def _round(seconds: float) -> float:
    return round(seconds, 3)
