"""The network between containers that are somebody else's: it goes with each container's death, and comes back anew.

What is in force is remembered, and made again in the new namespace as soon as it is there. A dead container has no
network: to it and from it nothing goes, so nothing is asked of its packet filter.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from quorate.harness.cluster.compose.listening import talks_to
from quorate.harness.cluster.compose.node import ComposeNode
from quorate.harness.cluster.network import clients, rules
from quorate.harness.cluster.network.entered import EnteredNetwork
from quorate.harness.cluster.network.probes import Flight
from quorate.harness.cluster.network.rules import Drop
from quorate.harness.core.clock import until
from quorate.harness.core.outcome import Broken

_TALK_S: Final = 5.0
_POLL_S: Final = 0.1

Pair = tuple[str, str]


class ComposeNetwork(EnteredNetwork):
    """Satisfies the protocol `Network`."""

    def __init__(self, nodes: Sequence[ComposeNode]) -> None:
        self._containers = {node.name: node for node in nodes}
        self._sources: dict[str, list[str]] = {}
        self._drops: dict[str, dict[str, Drop]] = {node.name: {} for node in nodes}
        self._pairs: frozenset[Pair] = frozenset()
        self._ways: frozenset[Pair] = frozenset()
        self._proved = False
        super().__init__(nodes)
        for node in nodes:
            node.restarted = self._again

    async def cut(self, pairs: frozenset[Pair]) -> None:
        """Make exactly these directed pairs dead; raise `Broken` also where servers do not talk over this network."""
        if pairs:
            await self._must_talk()
        self._pairs = pairs
        await super().cut(pairs)

    async def probe(self, pairs: Sequence[Pair]) -> dict[Pair, bool]:
        """Send a datagram over each pair of living nodes; of the others say what the cuts say."""
        arrived = await super().probe([pair for pair in pairs if self._both_live(pair)])
        return {pair: arrived.get(pair, pair not in self._pairs) for pair in pairs}

    async def measure(
        self, pairs: Sequence[Pair], *, count: int, gap_s: float, patience_s: float
    ) -> dict[Pair, Flight]:
        """Send several datagrams over each pair of living nodes; raise `Broken` where there is none."""
        living = [pair for pair in pairs if self._both_live(pair)]
        if not living:
            raise Broken("dead", "no two of these containers run: nothing can be measured between them")
        return await super().measure(living, count=count, gap_s=gap_s, patience_s=patience_s)

    async def drop(self, name: str, drop: Drop) -> None:
        """Have one node drop packets by a table of a fault's own, now and whenever it starts again."""
        await self._must_talk()
        self._drops[name][drop.table] = drop
        if self._lives(name):
            await super().drop(name, drop)

    async def undrop(self, name: str, table: str) -> None:
        """Remove such a table; safe to call twice."""
        self._drops[name].pop(table, None)
        if self._lives(name):
            await super().undrop(name, table)

    async def hold(self, name: str, held: rules.Hold) -> None:
        """Have one node hand packets to a queue."""
        await self._must_talk()
        await super().hold(name, held)

    async def release(self, name: str) -> None:
        """Hand no more packets to a queue; safe to call twice."""
        if self._lives(name):
            await super().release(name)

    async def holds(self, name: str) -> bool:
        """Whether the node hands packets to a queue."""
        return self._lives(name) and await super().holds(name)

    async def cut_clients(self, pairs: frozenset[Pair]) -> None:
        """Make exactly these ways between clients on this host and nodes dead."""
        self._ways = pairs
        for name in self._containers:
            if self._lives(name):
                self._cut_ways(name)

    async def probe_clients(self) -> dict[Pair, bool]:
        """Send a datagram over each way of living nodes; of the others say what the cuts say."""
        living = [node for name, node in self._containers.items() if self._lives(name)]
        return {pair: pair not in self._ways for pair in clients.ways(list(self._containers))} | (
            await clients.probe(living)
        )

    async def dropped(self) -> int:
        """Return how many packets were swallowed by cuts since this was last asked, as far as it is known."""
        count = 0
        for name in sorted(self._prepared):
            with contextlib.suppress(Broken):  # the container died, and its count with it
                count += self._firewalls[name].count(rules.CUT_TABLE, reset=True)
        return count

    def clear(self) -> None:
        """Remove every table of quorate's from the containers."""
        for name, firewall in self._firewalls.items():
            if self._lives(name):
                firewall.clear()

    def _again(self, name: str) -> None:
        """Make in a new namespace what is in force."""
        self._prepared.discard(name)
        if not self._lives(name):
            return
        with contextlib.suppress(Broken):  # it died again: the next start makes it
            self._set(name, self._sources.get(name, []))
            for drop in self._drops[name].values():
                self._firewalls[name].put(drop)
            if self._ways:
                self._cut_ways(name)

    def _set(self, name: str, sources: Sequence[str]) -> None:
        self._sources[name] = list(sources)
        if self._lives(name):
            super()._set(name, sources)

    def _cut_ways(self, name: str) -> None:
        firewall, client = self._firewalls[name], clients.address_towards(self._containers[name])
        for pair, drop in (
            ((clients.CLIENTS, name), rules.requests(client)),
            ((name, clients.CLIENTS), rules.answers(client)),
        ):
            if pair in self._ways:
                firewall.put(drop)
            else:
                firewall.remove(drop.table)

    def _lives(self, name: str) -> bool:
        return self._containers[name].lives

    def _both_live(self, pair: Pair) -> bool:
        return all(self._lives(name) for name in pair)

    async def _must_talk(self) -> None:
        """Raise `Broken` where a server has no connection with another's address here: cuts would not touch it."""
        if self._proved:
            return

        async def silent() -> list[str]:
            found = []
            for node in self._containers.values():
                others = [other.inner_address for other in self._containers.values() if other is not node]
                if node.init and not talks_to(node.init, others):
                    found.append(node.name)
            return found

        alone = await until(silent, lambda found: not found, deadline_s=_TALK_S, poll_s=_POLL_S)
        if alone:
            raise Broken(
                "other-way",
                f"the server of {', '.join(alone)} has no connection with another's address in the members' network: "
                "they speak some other way (a published port?), which a cut here would not touch",
            )
        self._proved = True
