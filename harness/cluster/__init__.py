"""Where nodes live: containers, network namespaces, SSH hosts, behind one interface (harness.cluster.node)."""

from __future__ import annotations

from quorate.harness.cluster.doctor import probe
from quorate.harness.cluster.factory import make_cluster
from quorate.harness.cluster.identity import new_run_id
from quorate.harness.cluster.sweep import sweep
from quorate.harness.core.finding import Finding

__all__ = ["Finding", "make_cluster", "new_run_id", "probe", "sweep"]
