"""Discovery: services are entered in the catalogue, entered anew, taken out and looked up, in both of its indexes.

Sees: services that are not found though registered, found though deregistered, or found as they were before.
Cannot see: what agents register (eventual, see Consul's anti-entropy), checks and their states, several instances.
"""

from __future__ import annotations

from random import Random
from typing import Annotated, Final

from msgspec import Meta

from quorate.harness.core.capabilities import Catalogs
from quorate.harness.core.outcome import Reply
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import Draws, Generator, Invocation, each, mix, repeat
from quorate.workloads.keyed import ReadingSettings, on_keys
from quorate.workloads.part import Share, Used, weights, workload
from quorate.workloads.weak import must_hold

_SPACE: Final = "discovery"


class Settings(ReadingSettings, frozen=True, forbid_unknown_fields=True):
    """Settings of the discovery workload."""

    read_share: Annotated[Share, Meta(description="share of operations that look a service up")] = 0.5
    delete_share: Annotated[Share, Meta(description="share of the others that take it out")] = 0.4


@workload("discovery", Settings)
def discovery(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the discovery workload."""
    used = Used()
    looks = 0  # every second one asks the index of healthy services

    async def perform(client: Catalogs, invocation: Invocation) -> Reply:
        nonlocal looks
        key: str = invocation.key
        used.add(key)
        if invocation.f == "write":
            return await client.enlist(_SPACE, key, invocation.value)
        looks += 1
        return await client.find(_SPACE, key, looks % 2 == 0)

    def change(n: int, draws: Draws) -> Invocation:
        return Invocation("write", None, None if draws.chance(settings.delete_share) else n + 1)

    def on_key(_key: str, rng: Random) -> Generator:
        read, write = weights(settings.read_share, 1 - settings.read_share)
        return mix((read, repeat(Invocation("read"))), (write, each(change, rng)), rng=rng)

    return Workload(
        name="discovery",
        needs=(Catalogs,),
        operations=on_keys(on_key, options, settings),
        perform=perform,
        final=used.read_each("read"),
        must_hold=must_hold(options, "register", versions=False),
        model="register",
        functions=("write", "read"),
    )
