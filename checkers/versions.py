"""Do the service's own versions ever go backwards in real time? One pass over the history."""

from __future__ import annotations

import time
from typing import Final, Literal

import numpy as np

from quorate.checkers.replies import confirmed
from quorate.harness.core.verdict import Anomaly, Limits, Result, Verdict
from quorate.harness.history import History
from quorate.harness.history.columns import NO_VERSION, NONE, OK

_TOLD_MAX: Final = 20
_NS: Final = 1e9
_BYTES_PER_MB: Final = 1e6


class VersionsNeverRegress:
    """A reply's version is never lower than the highest in a reply that came before the call was made.

    `scope="key"` compares replies about the same key, which holds for versions of any kind (etcd's revisions,
    ZooKeeper's zxids, Consul's ModifyIndex); `scope="global"` compares all replies, for versions that are one counter
    for the whole service and reads that must be current. Only successful operations count. O(n).
    """

    name = "versions-never-regress"

    def __init__(self, scope: Literal["key", "global"] = "key") -> None:
        self.scope = scope

    def check(self, history: History, limits: Limits) -> Result:
        """Judge; one pass, far below any limit. Without versions there is nothing to say: unknown."""
        del limits
        started, cpu = time.perf_counter(), time.process_time()
        columns = history.columns
        done = (columns.kind == OK) & (columns.version != NO_VERSION) & (columns.pair != NONE)
        operations = int(done.sum())
        found = self._regressions(history, np.flatnonzero(done)) if operations else []
        verdict = Verdict.INVALID if found else Verdict.VALID if operations else Verdict.UNKNOWN
        result = Result(
            guarantee=self.name,
            verdict=verdict,
            engine="native",
            reason="no reply carried a version"
            if not operations
            else f"{len(found)} regressions"
            if found
            else "",
            operations=operations,
            anomalies=[self._anomaly(history, before, after) for before, after in found[:_TOLD_MAX]],
            time_s=time.perf_counter() - started,
            cpu_s=time.process_time() - cpu,
            memory_mb=len(columns) * 24 / _BYTES_PER_MB,
            stats={"regressions": len(found), "scope": self.scope},
        )
        return confirmed(result, history)

    def _regressions(self, history: History, done: np.ndarray) -> list[tuple[int, int]]:
        """Pairs of completions: the earlier reply with the higher version, and the reply that fell behind."""
        columns = history.columns
        call_time = columns.time[columns.pair[done]]
        groups = columns.key[done] if self.scope == "key" else np.zeros(len(done), dtype=np.uint32)
        found: list[tuple[int, int]] = []
        order = np.argsort(groups, kind="stable")
        bounds = np.flatnonzero(np.diff(groups[order])) + 1
        for group in np.split(order, bounds):
            positions = done[group]
            versions = columns.version[positions]
            highest = np.maximum.accumulate(versions)
            # How many replies of the group had come strictly before each call: ties are taken as concurrent.
            came = np.searchsorted(columns.time[positions], call_time[group], side="left")
            before = np.searchsorted(positions, columns.pair[positions], side="left")
            known = np.minimum(came, before)
            bad = np.flatnonzero((known > 0) & (versions < highest[np.maximum(known, 1) - 1]))
            for at in bad.tolist():
                earlier = int(np.argmax(versions[: known[at]]))
                found.append((int(positions[earlier]), int(positions[at])))
        return sorted(found, key=lambda pair: pair[1])

    def _anomaly(self, history: History, before: int, after: int) -> Anomaly:
        columns = history.columns
        high, low = history.event(before), history.event(after)
        key = "" if high.key is None or high.key != low.key else f" of key {low.key}"
        sentence = (
            f"p{low.process} saw version {low.version}{key} at {low.time / _NS:.3f} s, but p{high.process} "
            f"had seen {high.version} at {high.time / _NS:.3f} s, before p{low.process} asked"
        )
        events = sorted((int(columns.pair[before]), before, int(columns.pair[after]), after))
        return Anomaly(
            name="version went back",
            sentence=sentence,
            key=low.key,
            events=[int(columns.index[at]) for at in events],
            culprit=int(columns.index[columns.pair[after]]),
        )
