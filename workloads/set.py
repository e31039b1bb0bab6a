"""Sets: unique elements are added and sets are read; no acknowledged element may ever be missing.

Sees: lost elements, elements that vanish and come back, stale reads, elements that were never added.
Cannot see: an element added twice (a set does not show it; see queue and counter), anything across keys.
"""

from __future__ import annotations

from random import Random
from typing import Annotated

from msgspec import Meta

from quorate.harness.core.capabilities import Sets
from quorate.harness.core.outcome import Reply
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import Generator, Invocation, each, mix, repeat
from quorate.workloads.keyed import ReadingSettings, on_keys
from quorate.workloads.part import Share, Used, weights, workload
from quorate.workloads.weak import must_hold


class Settings(ReadingSettings, frozen=True, forbid_unknown_fields=True):
    """Settings of the set workload."""

    read_share: Annotated[Share, Meta(description="share of operations that read the whole set")] = 0.3


@workload("set", Settings)
def set_(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the set workload."""
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
        operations=on_keys(on_key, options, settings),
        perform=perform,
        final=used.read_each("read"),
        must_hold=must_hold(options, "set"),
        model="set",
        functions=("add", "read"),
    )
