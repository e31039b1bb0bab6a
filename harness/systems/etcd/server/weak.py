"""What etcd promises of reads that are not linearizable (docs/systems/etcd.md)."""

from __future__ import annotations

from typing import Final

from quorate.harness.core.weak import WeakReads

SERIALIZABLE: Final = WeakReads(
    mode="reads=serializable",
    says="a member answers from what it has applied, possibly stale with respect to the quorum, for any time",
    link="https://etcd.io/docs/v3.5/learning/api_guarantees/",
    transactions=True,
)
