"""Sets: unique elements are added and sets are read; no acknowledged element may ever be missing.

Sees: lost elements, elements that vanish and come back, stale reads, elements that nobody added.
Cannot see: an element added twice (a set does not show it; see queue and counter), anything across keys.
"""

from __future__ import annotations

from random import Random
from typing import Annotated

import msgspec
from msgspec import Meta

from checkers.linearizable import Linearizable
from harness.capabilities import Sets
from harness.generators import Generator, Invocation, by_key, each, mix, repeat
from harness.outcome import Reply
from harness.workload import Workload, WorkloadOptions
from workloads.part import Count, Share, Used, threads_for, weights, workload


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of `set`."""

    read_share: Annotated[Share, Meta(description="share of operations that read the whole set")] = 0.3
    ops_per_key: Annotated[
        Count, Meta(description="operations after which a set is left for a fresh one")
    ] = 200
    threads_per_key: Annotated[Count | None, Meta(description="clients that share a set")] = None
    keys: Annotated[Count | None, Meta(description="sets in all; the run ends when they are used up")] = None


@workload("set", Settings)
def set_(options: WorkloadOptions, settings: Settings) -> Workload:
    """Make it."""
    used = Used()
    add, read = weights(1 - settings.read_share, settings.read_share)

    async def perform(client: Sets, invocation: Invocation) -> Reply:
        key: str = invocation.key
        used.add(key)
        if invocation.f == "add":
            return await client.add(key, invocation.value)
        return await client.members(key)

    def on_key(_key: str, rng: Random) -> Generator:
        adds = each(lambda n, _draws: Invocation("add", None, n + 1))
        return mix((add, adds), (read, repeat(Invocation("read"))), rng=rng)

    return Workload(
        name="set",
        needs=(Sets,),
        operations=by_key(
            on_key,
            rng=options.rng,
            threads_per_key=threads_for(options.clients, settings.threads_per_key),
            operations_per_key=settings.ops_per_key,
            keys=settings.keys,
        ),
        perform=perform,
        final=used.read_each("read"),
        must_hold=(Linearizable(model="set", per_key=True),),
        model="set",
        functions=("add", "read"),
    )
