"""Cuts and probes from this process, which enters the nodes' network namespaces. A whole cut takes about 1 ms.

The table stays, with an empty set, when all is healed; it dies with the namespace, which is the run's own.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from quorate.harness.cluster.network import clients, rules
from quorate.harness.cluster.network.expressions import Family
from quorate.harness.cluster.network.nftables import Firewall
from quorate.harness.cluster.network.probes import ATTEMPTS, LOSSY_ATTEMPTS, PATIENCE_S, Flight, Probes
from quorate.harness.cluster.network.rules import Drop, Hold
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken


class EnteredNetwork:
    """Satisfies the protocol `Network`.

    The calls to the packet filter are made on the event loop's own thread: they take a fraction of a millisecond
    each, and a second thread would wait longer than that for the interpreter's lock of a busy loop.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = list(nodes)
        self._firewalls = {node.name: Firewall(node.netns or "") for node in nodes}
        self._probes = Probes(nodes)
        self._prepared: set[str] = set()
        self._hearing: set[str] = set()  # empty at first: what an earlier run left is not known

    def prepare(self) -> None:
        """Enter every namespace, make the tables and the probe sockets now, so that the first cut is as fast as any.

        What cannot be done yet is left to the first cut, which says why.
        """
        with contextlib.suppress(Broken):
            for node in self._nodes:
                self._set(node.name, [])
                self._hearing.add(node.name)
                for table in (rules.REQUESTS_TABLE, rules.ANSWERS_TABLE):  # of a run that was killed
                    self._firewalls[node.name].remove(table)
            self._probes.prepare()

    async def cut(self, pairs: frozenset[tuple[str, str]]) -> None:
        """Make exactly these directed pairs dead; raise `Broken` where a node's packet filter refuses."""
        wanted = rules.deaf_to(self._nodes, pairs)
        for name, sources in wanted.items():
            if sources or name not in self._hearing:
                self._hearing.discard(name)  # before it is done: half done counts as done for the healing
                self._set(name, sources)
                if not sources:
                    self._hearing.add(name)

    async def heal(self) -> None:
        """Remove every cut."""
        await self.cut(frozenset())

    async def probe(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        """Send a datagram over each directed pair; True where it arrived. At most 0.1 s."""
        return await self._probes.probe(pairs)

    async def measure(
        self, pairs: Sequence[tuple[str, str]], *, count: int, gap_s: float, patience_s: float
    ) -> dict[tuple[str, str], Flight]:
        """Send several datagrams over each directed pair and return what became of them."""
        return await self._probes.measure(pairs, count=count, gap_s=gap_s, patience_s=patience_s)

    def expect(self, delay_s: float, *, lossy: bool) -> None:
        """Have probes wait for a network that a fault slows by `delay_s`, and send more where it loses some."""
        self._probes.attempts = LOSSY_ATTEMPTS if lossy else ATTEMPTS
        self._probes.patience_s = PATIENCE_S + delay_s * self._probes.attempts

    async def cut_clients(self, pairs: frozenset[tuple[str, str]]) -> None:
        """Make exactly these ways between clients on this host and nodes dead."""
        for node in self._nodes:
            firewall, client = self._firewalls[node.name], clients.address_towards(node)
            for pair, drop in (
                ((clients.CLIENTS, node.name), rules.requests(client)),
                ((node.name, clients.CLIENTS), rules.answers(client)),
            ):
                if pair in pairs:
                    firewall.put(drop)
                else:
                    firewall.remove(drop.table)

    async def probe_clients(self) -> dict[tuple[str, str], bool]:
        """Send a datagram over each way between this host and the nodes; True where it arrived."""
        return await clients.probe(self._nodes)

    async def drop(self, name: str, drop: Drop) -> None:
        """Have one node drop packets by a table of a fault's own."""
        self._firewalls[name].put(drop)

    async def undrop(self, name: str, table: str) -> None:
        """Remove such a table; safe to call twice."""
        self._firewalls[name].remove(table)

    async def lost(self, name: str, table: str) -> int:
        """Return how many packets such a table has dropped until now."""
        return self._firewalls[name].count(table)

    async def hold(self, name: str, held: Hold) -> None:
        """Have one node hand packets to a queue."""
        self._firewalls[name].hold(held)

    def namespace(self, name: str) -> str:
        """Return the path of a node's network namespace."""
        return self._firewalls[name].netns

    def stands(self, name: str) -> bool:
        """Whether the node has a network now: a container that ended has none."""
        return os.path.exists(self._firewalls[name].netns)  # noqa: PTH110 - a magic link, no file

    async def release(self, name: str) -> None:
        """Hand no more packets to a queue; safe to call twice."""
        self._firewalls[name].remove(rules.QUEUE_TABLE, Family.IPV4)

    async def holds(self, name: str) -> bool:
        """Whether the node hands packets to a queue."""
        return self._firewalls[name].has(rules.QUEUE_TABLE, Family.IPV4)

    @property
    def client_ways(self) -> EnteredNetwork:
        """Clients live on this host, whose way into a node is known."""
        return self

    async def dropped(self) -> int:
        """Return how many packets were swallowed by cuts since this was last asked."""
        return sum(
            self._firewalls[name].count(rules.CUT_TABLE, reset=True) for name in sorted(self._prepared)
        )

    def _set(self, name: str, sources: Sequence[str]) -> None:
        """Change the set of a table that stands; make the table where there is none (a restarted container)."""
        firewall = self._firewalls[name]
        if name in self._prepared:
            with contextlib.suppress(Broken):
                firewall.change(rules.cut(sources))
                return
        firewall.put(rules.cut(sources))
        self._prepared.add(name)
