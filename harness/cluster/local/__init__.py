"""Clusters of network namespaces on this host, as root or inside a user namespace."""

from harness.cluster.local.cluster import LocalCluster
from harness.cluster.local.node import LocalNode

__all__ = ["LocalCluster", "LocalNode"]
