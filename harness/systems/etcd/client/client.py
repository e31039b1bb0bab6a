"""The etcd client: every capability on one logical client."""

from __future__ import annotations

from quorate.harness.systems.etcd.client.elections import ElectionsOfEtcd
from quorate.harness.systems.etcd.client.granted import GrantedOfEtcd, NumbersOfEtcd
from quorate.harness.systems.etcd.client.locks import LocksOfEtcd
from quorate.harness.systems.etcd.client.objects import ObjectsOfEtcd
from quorate.harness.systems.etcd.client.registers import RegistersOfEtcd
from quorate.harness.systems.etcd.client.structures import CountersOfEtcd, QueuesOfEtcd, SetsOfEtcd
from quorate.harness.systems.etcd.client.transactions import TransactionsOfEtcd


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
