"""The etcd client: every capability on one logical client."""

from __future__ import annotations

from harness.systems.etcd.elections import ElectionsOfEtcd
from harness.systems.etcd.keys import KeysOfEtcd
from harness.systems.etcd.locks import LocksOfEtcd
from harness.systems.etcd.registers import RegistersOfEtcd
from harness.systems.etcd.structures import CountersOfEtcd, QueuesOfEtcd, SetsOfEtcd
from harness.systems.etcd.transactions import TransactionsOfEtcd
from harness.systems.etcd.watches import WatchesOfEtcd


class EtcdClient(
    RegistersOfEtcd,
    TransactionsOfEtcd,
    SetsOfEtcd,
    QueuesOfEtcd,
    CountersOfEtcd,
    LocksOfEtcd,
    ElectionsOfEtcd,
    WatchesOfEtcd,
    KeysOfEtcd,
):
    """One logical client of etcd with all its capabilities (see `Caller` for what it promises)."""
