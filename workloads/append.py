"""Transactions that append to lists and read them; together they must be strict serializable.

Sees: every anomaly of Adya's and Elle's catalogue that a cycle of transactions shows, from dirty writes to write skew,
and real-time violations; a list read shows all writes in their order, so little is left to guess.
Cannot see: anomalies of predicates (ranges), and what no transaction read.
"""

from __future__ import annotations

from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.workloads.part import workload
from quorate.workloads.transactions import Settings, transactions


@workload("append", Settings)
def append(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the append workload."""
    return transactions("append", "append", options, settings)
