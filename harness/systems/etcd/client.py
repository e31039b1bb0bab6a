"""The etcd client: every capability on one logical client."""

from __future__ import annotations

from harness.systems.etcd.elections import ElectionsOfEtcd
from harness.systems.etcd.granted import GrantedOfEtcd, NumbersOfEtcd
from harness.systems.etcd.locks import LocksOfEtcd
from harness.systems.etcd.objects import ObjectsOfEtcd
from harness.systems.etcd.registers import RegistersOfEtcd
from harness.systems.etcd.structures import CountersOfEtcd, QueuesOfEtcd, SetsOfEtcd
from harness.systems.etcd.transactions import TransactionsOfEtcd


class EtcdClient(
    RegistersOfEtcd,
    TransactionsOfEtcd,
    SetsOfEtcd,
    QueuesOfEtcd,
    CountersOfEtcd,
    LocksOfEtcd,
    ElectionsOfEtcd,
    ObjectsOfEtcd,
    GrantedOfEtcd,
    NumbersOfEtcd,
):
    """One logical client of etcd with all its capabilities (see `Caller` for what it promises)."""
