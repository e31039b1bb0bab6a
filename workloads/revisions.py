"""Revisions: changes that look at the past or compare a whole range in one transaction, with compaction going on.

Sees: a service-wide revision that goes backwards between members, refused writes that took effect on some of them,
lost and stale values, and, through the comparison at the end of a run, replicas that diverged.
Cannot see: what an old revision held (the past is read but not judged), anything that needs watches or leases.
"""

from __future__ import annotations

import zlib
from random import Random
from typing import Annotated

import msgspec
from msgspec import Meta

from quorate.checkers.only import Only
from quorate.checkers.versions import VersionsNeverRegress
from quorate.harness.core.capabilities import Revisions
from quorate.harness.core.outcome import Reply
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import Draws, Generator, Invocation, by_key, each, limit, mix, phases, repeat
from quorate.harness.generators.draws import seed_of
from quorate.workloads.part import Count, Share, Used, threads_for, weights, workload
from quorate.workloads.weak import must_hold

_SPACE = "revisions"
_BULK = 100


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the revisions workload."""

    read_share: Annotated[Share, Meta(description="share of operations on keys that read")] = 0.4
    past_share: Annotated[
        Share, Meta(description="share of writes whose transaction also reads at an old revision")
    ] = 0.4
    compare_share: Annotated[
        Share, Meta(description="share of writes whose transaction compares every key first")
    ] = 0.3
    compact_share: Annotated[Share, Meta(description="share of all operations that compact")] = 0.02
    span: Annotated[Count, Meta(description="how many revisions back the past reaches")] = 200
    prefill: Annotated[
        int, Meta(ge=0, le=100_000, description="keys written first, to make comparing all of them slow")
    ] = 200
    ops_per_key: Annotated[Count, Meta(description="operations after which a key is left")] = 100
    threads_per_key: Annotated[Count | None, Meta(description="clients that share a key")] = None


@workload("revisions", Settings)
def revisions(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the revisions workload."""
    used = Used()
    seed = seed_of(options.rng)
    latest = 1  # the highest revision that any reply carried: what a user can know to look back from

    async def perform(client: Revisions, invocation: Invocation) -> Reply:
        nonlocal latest
        match invocation.f:
            case "read":
                reply = await client.current(_SPACE, invocation.key)
            case "write":
                used.add(invocation.key)
                # Whatever is random about a write depends on its unique key and value alone.
                draws = Draws(seed, zlib.crc32(f"{invocation.key}/{invocation.value}".encode()))
                past = max(1, latest - draws.below(settings.span))
                looks, compares = draws.chance(settings.past_share), draws.chance(settings.compare_share)
                changes = {invocation.key: invocation.value}
                reply = await client.change(_SPACE, changes, past if looks else None, compares)
            case "compact":
                reply = await client.forget(_SPACE, max(1, latest - invocation.value))
            case _:
                names = range(invocation.value * _BULK, min((invocation.value + 1) * _BULK, settings.prefill))
                reply = await client.change(_SPACE, {f"filled{name}": name for name in names})
        latest = max(latest, reply.version or 0)
        return reply

    def on_key(_key: str, rng: Random) -> Generator:
        read, write = weights(settings.read_share, 1 - settings.read_share)
        writes = each(lambda n, _draws: Invocation("write", None, n + 1))
        return mix((read, repeat(Invocation("read"))), (write, writes), rng=rng)

    keys = by_key(
        on_key,
        rng=options.rng,
        threads_per_key=threads_for(options.clients, settings.threads_per_key),
        operations_per_key=settings.ops_per_key,
    )
    compact, rest = weights(settings.compact_share, 1 - settings.compact_share)
    compactions = each(lambda _n, draws: Invocation("compact", None, draws.below(10)), options.rng)
    bulk = each(lambda n, _draws: Invocation("prefill", None, n))
    main = mix((compact, compactions), (rest, keys), rng=options.rng) if compact else keys
    fills = -(-settings.prefill // _BULK)
    return Workload(
        name="revisions",
        needs=(Revisions,),
        operations=phases(limit(fills, bulk), main) if fills else main,
        perform=perform,
        final=used.read_each("read"),
        must_hold=(
            *(Only(("read", "write"), each) for each in must_hold(options, "register")),
            Only(("write",) if options.weak else ("read", "write"), VersionsNeverRegress(scope="global")),
        ),
        model=None,
        functions=("read", "write", *(("compact",) if compact else ())),
    )
