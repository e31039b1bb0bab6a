"""Transactions that read and write registers; together they must be strict serializable.

Sees: the anomalies that append sees, where unique values show who wrote what that was read.
Cannot see: the order of writes that were not read in between. So a transaction reads what it is about to overwrite,
which leaves no order open; with `blind_share` above 0 some do not, and a verdict may well be unknown.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.workloads.part import Share, workload
from quorate.workloads.transactions import Settings, transactions


class ReadFirst(Settings, frozen=True, forbid_unknown_fields=True):
    """Settings of the rw workload: as for append, but no write is blind."""

    blind_share: Annotated[
        Share, Meta(description="share of writes whose key the transaction did not just read")
    ] = 0.0


@workload("rw", ReadFirst)
def rw(options: WorkloadOptions, settings: ReadFirst) -> Workload:
    """Build the rw workload."""
    return transactions("rw", "w", options, settings)
