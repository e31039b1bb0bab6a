"""The etcd client: every capability on one logical client."""

from __future__ import annotations

from harness.systems.etcd.registers import RegistersOfEtcd


class EtcdClient(RegistersOfEtcd):
    """One logical client of etcd (see `Caller` for what it promises)."""
