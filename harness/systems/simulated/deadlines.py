"""When leases end: the leader's own timers, started anew by each leader, as etcd and Consul do it."""

from __future__ import annotations

from collections.abc import Mapping

from quorate.harness.core.outcome import ANSWERED, Refused, Reply
from quorate.harness.systems.simulated.bugs import Bugs
from quorate.harness.systems.simulated.commands import Command, Outcome
from quorate.harness.systems.simulated.store import Store

_SHARE = 0.25
_RENEWED_SHARE = 0.5


class Deadlines:
    """Of a replica while it leads; times are the loop's, in seconds."""

    def __init__(self, bugs: Bugs) -> None:
        self._bugs = bugs
        self._ends: dict[str, float] = {}
        self._ending: set[str] = set()
        self._stuck: set[str] = set()

    def restart(self, leases: Mapping[str, float], now: float) -> None:
        """Begin to lead: every lease gets its whole time again."""
        self._ends, self._ending, self._stuck = {}, set(), set()
        for key, ttl_s in leases.items():
            self._ends[key] = now + ttl_s

    def start(self, key: str, ttl_s: float, now: float) -> None:
        """Take note of a lease that was granted."""
        self._ends[key] = now + ttl_s
        if self._bugs.strikes("renewals-forgotten", _SHARE):
            self._stuck.add(key)
        if self._bugs.strikes("lease-leaked", _SHARE):
            self._ends[key] = float("inf")
            self._stuck.add(key)

    def over(self, now: float) -> list[str]:
        """Return the keys whose time has passed, each once."""
        ended = [key for key, end in self._ends.items() if end <= now]
        for key in ended:
            del self._ends[key]
            self._ending.add(key)
        return ended

    def renew(self, command: Command, store: Store, now: float) -> Outcome:
        """Answer a renewal; one that is about to end is as good as gone."""
        key = command.key
        ttl_s = store.cell("lease", key).value
        if ttl_s is None or key in self._ending:
            if self._bugs.strikes("renewed-after-end", _RENEWED_SHARE):
                return Reply(version=store.applied, session=command.session)
            return Refused("lease-gone", answer=ANSWERED)
        if key not in self._stuck:
            self._ends[key] = now + ttl_s
        return Reply(version=store.applied, session=command.session)
