"""Where nodes live: containers, network namespaces, SSH hosts, behind one interface (harness.cluster.node)."""

from __future__ import annotations

from harness.cluster.doctor import Finding, probe
from harness.cluster.factory import make_cluster
from harness.cluster.identity import new_run_id
from harness.cluster.sweep import sweep

__all__ = ["Finding", "make_cluster", "new_run_id", "probe", "sweep"]
