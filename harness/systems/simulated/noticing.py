"""Watch events of the simulated store: watches on one replica, which report what it applies, and its reads between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from quorate.harness.core.outcome import Refused
from quorate.harness.systems.simulated.cluster import SimulatedNode

_POLL_S: Final = 0.005
_SHARES: Final = {"notice-lost": 0.04, "notice-twice": 0.04, "notice-late": 0.1, "notices-swapped": 0.5}


class Noticing:
    """All watches of a client on one node. Every second client gets no versions, as from older servers."""

    def __init__(self, node: SimulatedNode, number: int, space: str, *, once: bool, versions: bool) -> None:
        self.number = number
        self.once = once
        self.items: list[list[Any]] = []
        self._node = node
        self._replica = node.replica
        self._prefix = f"{space}/"
        self._versions = versions
        self._cursor = 0 if self._replica is None else self._replica.applied
        self._there: set[str] = set()
        self._set: set[str] = set()  # names with a watch that was not used up
        self._told: dict[str, None] = {}
        self._late: list[list[Any]] = []

    def begin(self, names: Sequence[str]) -> None:
        """Set the watches; raises `Refused` where the server is gone."""
        store = self._living().store
        self._there = {key for key, cell in self._cells(store) if cell.value is not None}
        if self.once:
            for name in names:
                self._read(name, watched=True)
        else:
            self.items.append(["set", store.applied])

    async def listen(self, seconds: float, fence: str) -> list[list[Any]]:
        """Watch and read for so long, and read one name at the end; raises `Refused` where the server is gone."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        # Not `until`: a stream, which is read to the end of its time.
        while loop.time() < end:
            await asyncio.sleep(_POLL_S)
            if self._living().paused:
                continue
            self._tell()
            told, self._told = self._told, {}
            for name in told:
                self._read(name, watched=self.once)
        if self._living().paused:
            raise Refused("unread", "no reply in time")
        self._read(fence, watched=False)
        items, self.items = self.items, []
        return items

    def _living(self) -> Any:
        replica = self._replica
        if replica is None or self._node.replica is not replica:
            raise Refused("unread", f"{self._node.name} died")
        if replica.store.past.compacted > self._cursor + 1:
            raise Refused("unread", "what the watch would report is forgotten")
        return replica

    def _cells(self, store: Any) -> list[tuple[str, Any]]:
        return [
            (key.removeprefix(self._prefix), cell)
            for (space, key), cell in store.cells.items()
            if space == "revisions" and key.startswith(self._prefix)
        ]

    def _tell(self) -> None:
        """Notices of what was applied since the last look, one by one."""
        replica = self._living()
        new = []
        for revision, key, value in replica.store.past.changes:
            if not self._cursor < revision <= replica.applied or not key.startswith(self._prefix):
                continue
            name = key.removeprefix(self._prefix)
            kind = "deleted" if value is None else "changed" if name in self._there else "created"
            (self._there.discard if value is None else self._there.add)(name)
            if self.once and name not in self._set:
                continue
            self._set.discard(name)
            new.append(["told", kind, name, revision if self._versions else None])
        self._cursor = replica.applied
        for item in self._twisted(new):
            self.items.append(item)
            self._told[item[2]] = None

    def _twisted(self, new: list[list[Any]]) -> list[list[Any]]:
        """The notices as a server with a bug sends them."""
        bug = self._node.cluster.bug
        if bug not in _SHARES:
            return new
        rng, share = self._node.cluster.rng, _SHARES[bug]
        sent, self._late = self._late, []
        for item in new:
            if rng.random() >= share:
                sent.append(item)
                continue
            if bug != "notices-swapped" or sent:
                self._node.cluster.acted()
            if bug == "notice-twice":
                sent += [item, item]
            elif bug == "notice-late":
                self._late.append(item)
            elif bug == "notices-swapped":
                sent.insert(max(0, len(sent) - 1), item)
        return sent

    def _read(self, name: str, *, watched: bool) -> None:
        self._tell()
        store = self._living().store
        cell = store.cell("revisions", self._prefix + name)
        there = cell.value is not None
        version = cell.version if there else 0
        self.items.append(["read", name, cell.value, version, store.applied, watched])
        if watched:
            self._set.add(name)
