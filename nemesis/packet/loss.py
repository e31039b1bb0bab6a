"""Losing packets by chance, in the receiver's packet filter: nothing has to run for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from quorate.harness.cluster.network import EnteredNetwork, ExecutedNetwork, rules
from quorate.harness.core.fault import Proof

_ROUNDS: Final = 5

Filtering = EnteredNetwork | ExecutedNetwork


async def lose(network: Filtering, peers: Mapping[str, Sequence[str]], share: float) -> None:
    """Begin to lose packets at each receiver."""
    for name, addresses in peers.items():
        await network.drop(name, rules.loss(addresses, share))


async def stop(network: Filtering, names: Sequence[str]) -> None:
    """End it; safe to call twice."""
    for name in names:
        await network.undrop(name, rules.LOSS_TABLE)


async def prove(network: Filtering, pairs: Sequence[tuple[str, str]], share: float) -> Proof:
    """See that packets are lost where single probes cannot be measured: the rule's own counter grows."""
    for _ in range(_ROUNDS):
        await network.probe(pairs)
        lost = 0
        for name in sorted({target for _, target in pairs}):
            lost += await network.lost(name, rules.LOSS_TABLE)
        if lost:
            return Proof(
                holds=True, text=f"loss {share:.1%}: {lost} packets lost until now", data={"lost": lost}
            )
    return Proof(holds=False, text="no packet has been lost yet")
