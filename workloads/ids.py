"""Numbers: many clients draw from the service's own sequences; each number once, later ones higher.

Sees: numbers given twice, numbers below one that was known before. Cannot see: gaps (every service may leave some).
ZooKeeper's come from sequence nodes, etcd's are revisions of new keys, Consul's the index of a write.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from quorate.checkers.identifiers import NumbersGrow
from quorate.harness.core.capabilities import Sequences
from quorate.harness.core.outcome import Reply
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import Draws, Invocation, each, retrying
from quorate.workloads.part import Count, workload


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the ids workload."""

    sequences: Annotated[Count, Meta(description="sequences in use")] = 3


@workload("ids", Settings)
def ids(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the ids workload."""
    keys = [f"s{number}" for number in range(settings.sequences)]

    async def perform(client: Sequences, invocation: Invocation) -> Reply:
        return await client.next_id(invocation.key)

    def draw(_n: int, draws: Draws) -> Invocation:
        return Invocation("draw", draws.pick(keys))

    return Workload(
        name="ids",
        needs=(Sequences,),
        operations=each(draw, options.rng),
        perform=perform,
        final=retrying([Invocation("draw", key) for key in keys], 10),
        must_hold=(NumbersGrow(),),
        model=None,
        functions=("draw",),
    )
