"""Losing packets by chance, in the receiver's packet filter: nothing has to run for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from quorate.harness.cluster.network import EnteredNetwork, ExecutedNetwork
from quorate.harness.core.fault import Proof

TABLE: Final = "inet quorate_packet"
STOP: Final = f"add table {TABLE}\ndelete table {TABLE}\n"
_PARTS: Final = 10_000
_PRIORITY: Final = -299  # behind the cuts, before probes are counted
_ROUNDS: Final = 5
_COUNTED = re.compile(r"packets (\d+)")

Filtering = EnteredNetwork | ExecutedNetwork


def rules(peers: Sequence[str], share: float) -> str:
    """Return the transaction that loses this share of what comes from these addresses."""
    addresses = ", ".join(sorted(peers))
    chosen = round(share * _PARTS)
    by_chance = f"numgen random mod {_PARTS} < {chosen} " if chosen < _PARTS else ""
    return (
        f"{STOP}table {TABLE} {{\n"
        f"  counter lost {{ }}\n"
        f"  set peers {{ type ipv4_addr; elements = {{ {addresses} }}; }}\n"
        f"  chain input {{\n"
        f"    type filter hook input priority {_PRIORITY}; policy accept;\n"
        f"    ip saddr @peers {by_chance}counter name lost drop\n"
        f"  }}\n"
        f"}}\n"
    )


async def lose(network: Filtering, peers: Mapping[str, Sequence[str]], share: float) -> None:
    """Begin to lose packets at each receiver."""
    for name, addresses in peers.items():
        await network.rules(name, rules(addresses, share))


async def stop(network: Filtering, names: Sequence[str]) -> None:
    """End it; safe to call twice."""
    for name in names:
        await network.rules(name, STOP)


async def prove(network: Filtering, pairs: Sequence[tuple[str, str]], share: float) -> Proof:
    """See that packets are lost where single probes cannot be measured: the rule's own counter grows."""
    for _ in range(_ROUNDS):
        await network.probe(pairs)
        lost = 0
        for name in sorted({target for _, target in pairs}):
            told = await network.rules(name, f"list counter {TABLE} lost\n")
            lost += sum(int(found) for found in _COUNTED.findall(told))
        if lost:
            return Proof(
                holds=True, text=f"loss {share:.1%}: {lost} packets lost until now", data={"lost": lost}
            )
    return Proof(holds=False, text="no packet has been lost yet")
