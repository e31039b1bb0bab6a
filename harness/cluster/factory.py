"""Make the cluster that was asked for, or the best one that this machine can offer."""

from __future__ import annotations

from typing import Protocol

from harness.cluster.local import LocalCluster
from harness.cluster.node import Cluster
from harness.outcome import Broken

KINDS = ("auto", "docker", "local", "ssh")
MOST_NODES = 99


class KeepableCluster(Cluster, Protocol):
    """A cluster that can be left standing."""

    def keep(self) -> None:
        """Leave the cluster standing after `down` and after this process, until `quorate clean`."""
        ...


def make_cluster(
    kind: str = "auto",
    *,
    run_id: str,
    count: int = 3,
) -> KeepableCluster:
    """Return a cluster that is not up yet.

    Raises `Broken` with the mend where this machine cannot.
    """
    if not 1 <= count <= MOST_NODES:
        raise Broken("bad-count", f"a cluster has 1 to {MOST_NODES} nodes, not {count}")
    if kind not in KINDS:
        raise Broken("bad-cluster", f"no cluster is called {kind!r}; there are {', '.join(KINDS)}")
    return LocalCluster(run_id, count)
