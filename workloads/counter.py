"""Counters: amounts are added and sums are read; every sum must be one that some order of the additions gives.

Sees: lost additions, additions applied twice, stale sums. Cannot see: two mistakes that cancel each other out between
two reads, anything across keys. Amounts are distinct powers of two in turn, so that sums identify additions.
"""

from __future__ import annotations

from random import Random
from typing import Annotated

from msgspec import Meta

from quorate.harness.core.capabilities import Counters
from quorate.harness.core.outcome import Reply
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import Draws, Generator, Invocation, each, mix, repeat
from quorate.workloads.keyed import ReadingSettings, on_keys
from quorate.workloads.part import Count, Share, Used, weights, workload
from quorate.workloads.weak import must_hold

_POWERS = 20


class Settings(ReadingSettings, frozen=True, forbid_unknown_fields=True):
    """Settings of the counter workload."""

    read_share: Annotated[Share, Meta(description="share of operations that read the sum")] = 0.4
    ops_per_key: Annotated[
        Count, Meta(description="operations after which a key is left for a fresh one")
    ] = 100


@workload("counter", Settings)
def counter(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the counter workload."""
    used = Used()
    add, read = weights(1 - settings.read_share, settings.read_share)

    async def perform(client: Counters, invocation: Invocation) -> Reply:
        key: str = invocation.key
        used.add(key)
        if invocation.f == "add":
            return await client.increment(key, invocation.value)
        return await client.value(key)

    def amount(n: int, _draws: Draws) -> Invocation:
        return Invocation("add", None, 1 << n % _POWERS)

    def on_key(_key: str, rng: Random) -> Generator:
        return mix((add, each(amount)), (read, repeat(Invocation("read"))), rng=rng)

    return Workload(
        name="counter",
        needs=(Counters,),
        operations=on_keys(on_key, options, settings),
        perform=perform,
        final=used.read_each("read"),
        must_hold=must_hold(options, "counter"),
        model="counter",
        functions=("add", "read"),
    )
