"""Clusters of network namespaces on this host, as root or inside a user namespace."""

from quorate.harness.cluster.local.cluster import LocalCluster
from quorate.harness.cluster.local.node import LocalNode

__all__ = ["LocalCluster", "LocalNode"]
