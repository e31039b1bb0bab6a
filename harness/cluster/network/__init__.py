"""Cuts between nodes, made by the packet filter of each node's own network namespace.

A cut is a rule at the receiver: (source, target) is dropped where the target takes packets in, and nowhere else. So
cuts are exact in both directions, the sender sees what it would see of a lost packet (silence, not an error), and
what clients on the host side send is never touched. All rules stand in one table of quorate's own; the whole cut is
replaced in one transaction for each node, and no foreign rule is ever read, changed or flushed.
"""

from __future__ import annotations

from collections.abc import Sequence

from quorate.harness.cluster.network.entered import EnteredNetwork
from quorate.harness.cluster.network.executed import ExecutedNetwork
from quorate.harness.core.node import Network, Node

__all__ = ["EnteredNetwork", "ExecutedNetwork", "network_for"]


def network_for(nodes: Sequence[Node], run_id: str) -> Network:
    """Return the network between these nodes, which must be up.

    Over netlink from this process (under a millisecond a node) where it can enter every node's namespace, else through
    `nft` run in the nodes (needs nft there, and NET_ADMIN).
    """
    del run_id  # everything made dies with the namespace, or is replaced by the next run on the node
    if all(node.netns is not None for node in nodes):
        network = EnteredNetwork(nodes)
        network.prepare()
        return network
    return ExecutedNetwork(nodes)
