"""The ZooKeeper client: every capability over one session."""

from __future__ import annotations

from quorate.harness.systems.zookeeper.client.elections import ElectionCalls
from quorate.harness.systems.zookeeper.client.granted import GrantedCalls
from quorate.harness.systems.zookeeper.client.notices import NoticeCalls
from quorate.harness.systems.zookeeper.client.recipes import LockCalls, QueueCalls
from quorate.harness.systems.zookeeper.client.registers import CounterCalls, RegisterCalls, SetCalls
from quorate.harness.systems.zookeeper.client.sessions import SessionCalls
from quorate.harness.systems.zookeeper.client.transactions import TransactionCalls
from quorate.harness.systems.zookeeper.client.watches import WatchCalls


class ZooKeeperClient(
    RegisterCalls,
    SetCalls,
    CounterCalls,
    QueueCalls,
    LockCalls,
    ElectionCalls,
    TransactionCalls,
    SessionCalls,
    GrantedCalls,
    WatchCalls,
    NoticeCalls,
):
    """Registers, sets, counters, queues, locks, elections, transactions, sessions with their nodes, and watches."""
