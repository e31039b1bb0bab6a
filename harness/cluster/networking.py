"""Where clusters get their network of cuts from: imported late, so that nodes work without a firewall library."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.harness.core.node import Network, Node


def network_of(nodes: Sequence[Node], run_id: str) -> Network:
    """Return the network between these nodes."""
    from quorate.harness.cluster.network import network_for  # noqa: PLC0415 - loads a C library

    return network_for(nodes, run_id)
