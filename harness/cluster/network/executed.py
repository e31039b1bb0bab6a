"""Cuts and probes through commands run in the nodes: for nodes whose namespaces this process cannot enter.

Slower (two to four commands a node, all nodes at once), same results. A probe is sent by the shell and counted by the
receiver's packet filter behind the cut, so nothing needs to listen in the node.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from quorate.harness.cluster.network import rules, script
from quorate.harness.cluster.network.rules import Drop
from quorate.harness.core.node import Node
from quorate.harness.core.outcome import Broken

_PROBE_PORT = 47009
_PROBES_EACH = 3
_TIMEOUT_S = 10.0
_COUNTER = re.compile(r"counter (from_\d+) \{\s*packets (\d+)")
_COUNTED = re.compile(r"packets (\d+)")

# bash opens datagrams as files; a shell without that may have busybox' nc beside it.
_SEND = """
for address in "$@"; do
  for turn in $TURNS; do
    if [ -n "$BASH_VERSION" ]; then printf q > "/dev/udp/$address/$PORT"
    else printf q | busybox nc -u -w 1 "$address" "$PORT"; fi
  done
done 2>/dev/null
exit 0
"""


class ExecutedNetwork:
    """Satisfies the protocol `Network`."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = list(nodes)
        self._deaf: set[str] = set()
        self._unknown = True

    async def cut(self, pairs: frozenset[tuple[str, str]]) -> None:
        """Make exactly these directed pairs dead; raise `Broken` with the fix where a node cannot."""
        wanted = rules.deaf_to(self._nodes, pairs)
        touched = [
            node for node in self._nodes if wanted[node.name] or node.name in self._deaf or self._unknown
        ]
        self._deaf |= {name for name, sources in wanted.items() if sources}
        await asyncio.gather(*(_nft(node, _script(wanted[node.name])) for node in touched))
        self._deaf = {name for name, sources in wanted.items() if sources}
        self._unknown = False

    async def heal(self) -> None:
        """Remove every cut."""
        await self.cut(frozenset())

    async def probe(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        """Send datagrams over each directed pair; True where one arrived."""
        nodes = {node.name: node for node in self._nodes}
        tags = {node.name: f"from_{number}" for number, node in enumerate(self._nodes)}
        senders: dict[str, list[str]] = {}
        receivers: dict[str, dict[str, str]] = {}
        for source, target in pairs:
            senders.setdefault(source, []).append(nodes[target].address)
            receivers.setdefault(target, {})[tags[source]] = nodes[source].address
        try:
            await asyncio.gather(
                *(
                    _nft(nodes[name], script.count_probes(sources, _PROBE_PORT))
                    for name, sources in receivers.items()
                )
            )
            await asyncio.gather(*(_send(nodes[name], addresses) for name, addresses in senders.items()))
            told = await asyncio.gather(*(_nft(nodes[name], script.list_probes()) for name in receivers))
        finally:
            await asyncio.gather(
                *(_nft(nodes[name], script.remove(script.PROBE_TABLE)) for name in receivers)
            )
        counted = {
            (tag, name): int(packets)
            for name, text in zip(receivers, told, strict=True)
            for tag, packets in _COUNTER.findall(text)
        }
        return {(source, target): counted.get((tags[source], target), 0) > 0 for source, target in pairs}

    async def drop(self, name: str, drop: Drop) -> None:
        """Have one node drop packets by a table of a fault's own."""
        await _nft(self._node(name), script.put(drop))

    async def undrop(self, name: str, table: str) -> None:
        """Remove such a table; safe to call twice."""
        await _nft(self._node(name), script.remove(table))

    async def lost(self, name: str, table: str) -> int:
        """Return how many packets such a table has dropped until now."""
        return _counted(await _nft(self._node(name), script.count(table, reset=False)))

    @property
    def client_ways(self) -> None:
        """From inside a node, clients cannot be distinguished from the engine that carries the commands."""

    async def dropped(self) -> int:
        """Return how many packets were swallowed by the cuts in force since this was last asked."""
        reset = script.count(rules.CUT_TABLE, reset=True)
        told = await asyncio.gather(*(_nft(node, reset) for node in self._nodes if node.name in self._deaf))
        return sum(map(_counted, told))

    def _node(self, name: str) -> Node:
        (node,) = [node for node in self._nodes if node.name == name]
        return node


def _script(sources: Sequence[str]) -> str:
    return script.put(rules.cut(sources)) if sources else script.remove(rules.CUT_TABLE)


def _counted(text: str) -> int:
    return sum(int(found) for found in _COUNTED.findall(text))


async def _nft(node: Node, commands: str) -> str:
    done = await node.run(["nft", "-f", "-"], timeout_s=_TIMEOUT_S, stdin=commands.encode(), check=False)
    if done.code == 0:
        return done.stdout
    words = done.stderr.strip() or done.stdout.strip() or f"code {done.code}"
    mend = ""
    if "not permitted" in words:
        mend = (
            ": give the node the capability NET_ADMIN (a container: --cap-add NET_ADMIN; SSH: root or sudo)"
        )
    elif done.code in (126, 127) or "not found" in words:
        mend = ": install the package nftables in the node"
    raise Broken("firewall", f"nft on {node.name}: {words}{mend}")


async def _send(node: Node, addresses: Sequence[str]) -> None:
    turns = " ".join(str(turn) for turn in range(_PROBES_EACH))
    sending = f"TURNS='{turns}'; PORT={_PROBE_PORT}; {_SEND}"
    shell = (
        'if command -v bash >/dev/null; then exec bash -c "$0" quorate "$@"; fi; exec sh -c "$0" quorate "$@"'
    )
    done = await node.run(["sh", "-c", shell, sending, *addresses], timeout_s=_TIMEOUT_S, check=False)
    if done.code != 0:
        raise Broken("probe", f"cannot send probes from {node.name}: {done.stderr.strip()}")
