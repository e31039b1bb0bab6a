"""Transactions that read and write registers; together they must be strict serializable.

Sees: the anomalies that append sees, where unique values tell who wrote what that was read.
Cannot see: the order of writes that nobody read in between, so it finds less than append on the same service.
"""

from __future__ import annotations

from harness.workload import Workload, WorkloadOptions
from workloads.part import workload
from workloads.transactions import Settings, transactions


@workload("rw", Settings)
def rw(options: WorkloadOptions, settings: Settings) -> Workload:
    """Make it."""
    return transactions("rw", "w", options, settings)
