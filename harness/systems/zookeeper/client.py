"""The ZooKeeper client: every capability over one session."""

from __future__ import annotations

from harness.systems.zookeeper.elections import ElectionCalls
from harness.systems.zookeeper.granted import GrantedCalls
from harness.systems.zookeeper.notices import NoticeCalls
from harness.systems.zookeeper.recipes import LockCalls, QueueCalls
from harness.systems.zookeeper.registers import CounterCalls, RegisterCalls, SetCalls
from harness.systems.zookeeper.sessions import SessionCalls
from harness.systems.zookeeper.transactions import TransactionCalls
from harness.systems.zookeeper.watches import WatchCalls


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
