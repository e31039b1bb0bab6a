"""etcd: its lifecycle on a cluster of nodes, its client, its health."""

from __future__ import annotations

from quorate.harness.systems.etcd.server.system import Etcd

__all__ = ["Etcd"]
