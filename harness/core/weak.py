"""What a service promises of reads that it does not promise to be linearizable."""

from __future__ import annotations

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
