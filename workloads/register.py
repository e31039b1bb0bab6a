"""Registers: reads, unique writes and compare-and-set; every key must be linearizable.

Sees: stale reads, lost and phantom values, split brain, values that come back, versions that go backwards.
Cannot see: anything across keys (see append), and with `unique=false` some of what unique values would show.
"""

from __future__ import annotations

from random import Random
from typing import Annotated, Any

from msgspec import Meta

from quorate.checkers.versions import VersionsNeverRegress
from quorate.harness.core.capabilities import Registers
from quorate.harness.core.outcome import Reply
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import Context, Draws, Generator, Invocation, Offer, Step
from quorate.harness.generators.draws import seed_of
from quorate.workloads.keyed import ReadingSettings, on_keys
from quorate.workloads.part import Share, Used, workload
from quorate.workloads.weak import must_hold

_RECENT = 3
_VALUES = 5


class Settings(ReadingSettings, frozen=True, forbid_unknown_fields=True):
    """Settings of the register workload."""

    read_share: Annotated[Share, Meta(description="share of operations that read")] = 0.5
    cas_share: Annotated[Share, Meta(description="share of updates that compare and set")] = 0.4
    unique: Annotated[bool, Meta(description="every write to a key has a unique value")] = True


class Operations(Generator, frozen=True, gc=False):
    """Operations on one key. `recent` are the latest values sent, newest last: what a compare can hope to find."""

    settings: Settings
    seed: int
    n: int = 0
    recent: tuple[int, ...] = ()

    def next(self, ctx: Context) -> Step | None:
        """Offer the n-th operation."""
        settings, n, recent = self.settings, self.n, self.recent
        draws = Draws(self.seed, n)
        if draws.chance(settings.read_share):
            invocation = Invocation("read")
        else:
            value = n + 1 if settings.unique else draws.below(_VALUES)
            if recent and draws.chance(settings.cas_share):
                old = recent[-1] if draws.chance(0.75) else draws.pick(recent)
                invocation = Invocation("cas", None, [old, value])
            else:
                invocation = Invocation("write", None, value)
            recent = (*recent[-_RECENT + 1 :], value)
        return Offer(invocation, ctx.pick()), Operations(settings, self.seed, n + 1, recent)


@workload("register", Settings)
def register(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the register workload."""
    used = Used()

    async def perform(client: Registers, invocation: Invocation) -> Reply:
        key: str = invocation.key
        used.add(key)
        match invocation.f:
            case "read":
                return await client.read(key)
            case "write":
                return await client.write(key, invocation.value)
            case _:
                old, new = invocation.value
                return await client.cas(key, old, new)

    def on_key(_key: str, rng: Random) -> Generator:
        return Operations(settings, seed_of(rng))

    shares: list[tuple[str, Any]] = [
        ("read", settings.read_share),
        ("write", 1 - settings.read_share),
        ("cas", settings.cas_share * (1 - settings.read_share)),
    ]
    return Workload(
        name="register",
        needs=(Registers,),
        operations=on_keys(on_key, options, settings),
        perform=perform,
        final=used.read_each("read"),
        must_hold=must_hold(options, "cas-register", VersionsNeverRegress()),
        model="cas-register",
        functions=tuple(f for f, share in shares if share > 0),
    )
