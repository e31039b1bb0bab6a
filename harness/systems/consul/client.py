"""The Consul client: every capability over one logical client."""

from __future__ import annotations

from harness.systems.consul.discovery import DiscoveryCalls
from harness.systems.consul.elections import ElectionCalls
from harness.systems.consul.granted import GrantedCalls
from harness.systems.consul.polls import PollCalls
from harness.systems.consul.registers import CounterCalls, RegisterCalls, SetCalls
from harness.systems.consul.transactions import TransactionCalls


class ConsulClient(
    RegisterCalls,
    SetCalls,
    CounterCalls,
    TransactionCalls,
    ElectionCalls,
    GrantedCalls,
    PollCalls,
    DiscoveryCalls,
):
    """Registers, sets, counters, transactions, sessions, locks, elections, blocking queries and discovery."""
