"""The Consul client: every capability over one logical client."""

from __future__ import annotations

from quorate.harness.systems.consul.client.discovery import DiscoveryCalls
from quorate.harness.systems.consul.client.elections import ElectionCalls
from quorate.harness.systems.consul.client.granted import GrantedCalls
from quorate.harness.systems.consul.client.polls import PollCalls
from quorate.harness.systems.consul.client.registers import CounterCalls, RegisterCalls, SetCalls
from quorate.harness.systems.consul.client.transactions import TransactionCalls


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
