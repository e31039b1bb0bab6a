"""What a service promises of reads that it does not promise to be linearizable."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec


class WeakReads(msgspec.Struct, frozen=True):
    """The promise of a read mode: every read is a state that was, and what else is documented.

    `mode` is the setting as given (`reads=plain`), `says` the service's promise in a sentence, `link` where it stands.
    `monotonic`: within a session, no read is older than one before it; `own_writes`: nor than the session's own
    writes; `bound_s`: nor older than so many seconds. `transactions`: those that only read are weak as well.
    """

    mode: str
    says: str
    link: str
    monotonic: bool = False
    own_writes: bool = False
    bound_s: float | None = None
    transactions: bool = False


@runtime_checkable
class ReadsWeakly(Protocol):
    """A system whose settings may ask for reads that are weaker than linearizable."""

    @property
    def weak_reads(self) -> WeakReads | None:
        """The promise of the mode asked for; None where its reads are promised to be linearizable."""
        ...
