"""Leases with many keys: whoever looks at all keys at once sees every key of a lease, or none of them.

A grant makes its keys in one step and the end of a lease takes them in one, so that no look may fall between. Faults
and time have no part in it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from quorate.checkers.replies import confirmed
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict
from quorate.harness.history import Event, History

_LOOKS: Final = ("look", "rest")
_TOLD_MAX: Final = 20
_NS: Final = 1e9


class LeasesAreWhole:
    """No look shows some keys of a lease and not the others.

    Answers of `grant` say how many keys each lease has (`keys`), the same for all of a run; those of `look` and `rest`
    have the leases' own keys as `names` and the others, NAME+1 and so on, as `beside`. O(keys seen in all looks).
    """

    name = "leases-are-whole"

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; unknown where no look saw a lease."""
        del limits
        started = time.perf_counter()
        found: list[Anomaly] = []
        events = [event for event in history.events() if event.process != "nemesis"]
        keys = max(map(_told, events), default=0)
        torn, seen, looks = set[str](), 0, 0
        for call, look in _looks(events):
            looks += 1
            counts = counted(msgspec.convert(look.value, Sight))
            seen += len(counts)
            for name in sorted(name for name, count in counts.items() if count != keys and name not in torn):
                torn.add(name)
                found.append(_anomaly(call, look, name, counts[name], keys))
        found = found if keys else []  # no grant said how many there are to be
        result = Result(
            guarantee=self.name,
            verdict=Verdict.INVALID if found else Verdict.VALID if seen and keys else Verdict.UNKNOWN,
            engine="sweep",
            reason=f"{len(found)} leases were torn"
            if found
            else ""
            if seen and keys
            else "no look saw a lease",
            operations=looks,
            anomalies=found[:_TOLD_MAX],
            time_s=time.perf_counter() - started,
            stats={"looks": looks, "keys": keys, "violations": len(found)},
        )
        return confirmed(result, history)


def _looks(events: Iterable[Event]) -> Iterator[tuple[Event, Event]]:
    """Yield each look that was answered, with its invocation."""
    begun: dict[int | str, Event] = {}
    for event in events:
        if event.type == "invoke":
            begun[event.process] = event
        elif (
            (call := begun.pop(event.process, None)) is not None and event.type == "ok" and event.f in _LOOKS
        ):
            yield call, event


class Sight(msgspec.Struct, frozen=True):
    """What a look saw: the leases' own keys, and those beside them."""

    names: list[str]
    beside: list[str] = []


def counted(sight: Sight) -> Mapping[str, int]:
    """Return how many keys of each lease a look saw, of those that it saw at all."""
    return Counter(_leases([*sight.names, *sight.beside]))


def _leases(keys: Iterable[str]) -> Iterator[str]:
    return (key.partition("+")[0] for key in keys)


def _told(event: Event) -> int:
    value = event.value
    return (
        int(value.get("keys", 0))
        if event.f == "grant" and event.type == "ok" and isinstance(value, dict)
        else 0
    )


def _anomaly(call: Event, look: Event, name: str, count: int, keys: int) -> Anomaly:
    return Anomaly(
        name="lease torn",
        sentence=(
            f"p{look.process} saw {count} of the {keys} keys of lease {name} at {look.time / _NS:.3f} s; they come and "
            "go together"
        ),
        key=name,
        events=[call.index, look.index],
        culprit=call.index,
    )
