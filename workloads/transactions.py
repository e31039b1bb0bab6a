"""What append and rw share: transactions over a few keys that are left for fresh ones after a number of writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from quorate.checkers.transactions import STRICTEST
from quorate.checkers.transactions import Transactions as TransactionChecker
from quorate.harness.core.capabilities import Transactions
from quorate.harness.core.outcome import Reply
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import Context, Draws, Generator, Invocation, Offer, Step, deferred, retrying
from quorate.harness.generators.draws import seed_of
from quorate.workloads.part import Count, Share, Used

_FINAL_KEYS = 8
_FINAL_TRIES = 10


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the append and rw workloads."""

    read_share: Annotated[Share, Meta(description="share of micro-operations that read")] = 0.5
    max_length: Annotated[Count, Meta(description="longest transaction, in micro-operations")] = 4
    active_keys: Annotated[Count, Meta(description="keys in use at a time")] = 5
    writes_per_key: Annotated[Count, Meta(description="writes after which a key is left for a fresh one")] = (
        64
    )
    blind_share: Annotated[
        Share, Meta(description="share of writes whose key the transaction did not just read")
    ] = 1.0


class Operations(Generator, frozen=True, gc=False):
    """Transactions. `active` are the keys in use, each with the writes it has seen: its last value."""

    write: str
    settings: Settings
    seed: int
    active: tuple[tuple[int, int], ...]
    fresh: int
    n: int = 0

    def next(self, ctx: Context) -> Step | None:
        """Offer the n-th transaction; it names a written key once at most."""
        settings, draws = self.settings, Draws(self.seed, self.n)
        active, fresh = list(self.active), self.fresh
        micro: list[list[Any]] = []
        written: set[int] = set()
        for _ in range(1 + draws.below(settings.max_length)):
            place = draws.below(len(active))
            key, writes = active[place]
            if key in written or draws.chance(settings.read_share):
                micro.append(["r", f"k{key}", None])
                continue
            written.add(key)
            if not draws.chance(settings.blind_share):
                micro.append(["r", f"k{key}", None])
            micro.append([self.write, f"k{key}", writes + 1])
            active[place] = (key, writes + 1)
            if writes + 1 >= settings.writes_per_key:
                active[place] = (fresh, 0)
                fresh += 1
        new = Operations(self.write, settings, self.seed, tuple(active), fresh, self.n + 1)
        return Offer(Invocation("txn", None, micro), ctx.pick()), new


def transactions(
    name: Literal["append", "rw"], write: str, options: WorkloadOptions, settings: Settings
) -> Workload:
    """Make the workload whose writes are `append` or `w`."""
    used = Used()

    async def perform(client: Transactions, invocation: Invocation) -> Reply:
        micro: Sequence[Sequence[Any]] = invocation.value
        for _, key, _ in micro:
            used.add(key)
        return await client.transact(micro)

    def final() -> list[Generator]:
        keys = used.keys
        chunks = [keys[i : i + _FINAL_KEYS] for i in range(0, len(keys), _FINAL_KEYS)]
        return [
            retrying(
                [Invocation("txn", None, [["r", key, None] for key in chunk]) for chunk in chunks],
                _FINAL_TRIES,
            )
        ]

    stale = options.weak is not None and options.weak.transactions
    active = tuple((key, 0) for key in range(settings.active_keys))
    return Workload(
        name=name,
        needs=(Transactions,),
        operations=Operations(write, settings, seed_of(options.rng), active, settings.active_keys),
        perform=perform,
        final=deferred(final),
        must_hold=(TransactionChecker(name, "serializable" if stale else STRICTEST),),
        model=name,
        functions=("txn",),
    )
