"""Watches of the simulated store: a client is shown what the one replica it watches has applied."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from quorate.harness.core.outcome import ANSWERED, Refused, Unknown
from quorate.harness.systems.simulated.cluster import SimulatedNode

_POLL_S: Final = 0.005
_WRONG_SHARE: Final = 0.04


class Following:
    """A watch on one node, from a revision on. `messages` hands over what came since the last call."""

    def __init__(self, node: SimulatedNode, space: str, start: int) -> None:
        """Raise `Refused("compacted")` where the revision is forgotten."""
        self.start = start
        self._node = node
        self._replica = node.replica
        self._prefix = f"{space}/"
        self._cursor = start - 1
        self._bug = node.cluster.bug
        self._check_compaction()

    async def messages(self, seconds: float, *, progress: bool) -> list[list[Any]]:
        """Wait so long and return the messages; raise `Refused("compacted")` or `Unknown` where the watch ended."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        found: list[list[Any]] = []
        early = progress and self._bug == "early-progress"
        # Not `until`: a stream, which is read to the end of its time.
        while loop.time() < end:
            replica = self._replica
            if replica is None or self._node.replica is not replica:
                raise Unknown("connection-lost", f"{self._node.name} died")
            if not replica.paused:
                if early and replica.applied >= self._cursor:
                    self._node.cluster.acted()
                    found.append([replica.applied, []])
                self._check_compaction()
                changes = self._new(replica.applied)
                if changes:
                    found.append([replica.applied, changes])
                elif progress and replica.applied >= self._cursor and not early:
                    found.append([replica.applied, []])
                self._cursor = max(self._cursor, replica.applied)
                early = False
            await asyncio.sleep(_POLL_S)
        return found

    def _check_compaction(self) -> None:
        compacted = 0 if self._replica is None else self._replica.store.past.compacted
        if self._cursor + 1 < compacted:
            raise Refused(
                "compacted", "what the watch would show is forgotten", version=compacted, answer=ANSWERED
            )

    def _new(self, applied: int) -> list[list[Any]]:
        assert self._replica is not None
        past = self._replica.store.past
        found: list[list[Any]] = []
        before: dict[str, Any] = {}
        for revision, key, value in past.changes:
            previous, before[key] = before.get(key), value
            if not self._cursor < revision <= applied or not key.startswith(self._prefix):
                continue
            lost = value is None and revision == self.start == past.compacted
            if not (lost and self._node.cluster.strikes("missed-deletion")):
                known = [previous] if previous is not None else []
                if known and self._wrong():
                    known = [value]
                found.append([key.removeprefix(self._prefix), value, revision, *known])
        return found

    def _wrong(self) -> bool:
        """Whether a server with this bug reports the value after the change as the one before it."""
        return self._node.cluster.strikes("wrong-previous", _WRONG_SHARE)
