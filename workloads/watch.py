"""Watches: changes and deletions, compaction, one standing watch per member and short ones from random revisions.

Sees: changes that a watch misses, shows twice, out of order or in parts, deletions lost at the compacted revision,
wrong values before a change, and progress that is reported too early. Wants three clients more than nodes: with fewer,
some members have no watch.
Cannot see: how late a watch is (delivery is eventual), a slow reader's losses.
Where a service has no watches of revisions but others, this is the workload `notices` or `polls`.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from quorate.checkers.watches import WatchesAreReliable
from quorate.harness.core.capabilities import Names, Notices, Polls, Revisions, Watches
from quorate.harness.core.outcome import Reply
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import Draws, Invocation, each, mix, repeat, reserve, retrying
from quorate.workloads.notices import notices
from quorate.workloads.part import Choice, Share, weights, workload
from quorate.workloads.polls import polls
from quorate.workloads.revised import Horizon, RevisedSettings, enough_clients

_SPACE = "watch"
_WATCHING = 2
_COMPACTED = -1  # in an invocation: from the compacted revision itself


class Settings(RevisedSettings, frozen=True, forbid_unknown_fields=True):
    """Settings of the watch workload."""

    pair_share: Annotated[Share, Meta(description="share of changes that change two names at once")] = 0.2
    progress_share: Annotated[
        Share, Meta(description="share of short watches that ask for progress at once")
    ] = 0.3


def _change(settings: Settings, n: int, draws: Draws) -> Invocation:
    changes: dict[str, int | None] = {}
    for place in range(1 + draws.chance(settings.pair_share)):
        name = f"k{draws.below(settings.names)}"
        changes[name] = None if draws.chance(settings.delete_share) else 2 * n + place
    return Invocation("change", None, changes)


def _watch(settings: Settings, draws: Draws) -> Invocation:
    compacted = settings.compact_share > 0 and draws.chance(0.5)
    start = _COMPACTED if compacted else draws.below(settings.span)
    return Invocation("watch", None, [start, draws.chance(settings.progress_share)])


@workload("watch", Settings)
def of_revisions(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the watch workload."""
    enough_clients("watch", options)
    following = min(options.nodes, options.clients - 2)
    watching = min(_WATCHING, options.clients - following - 1)
    changing = options.clients - following - watching
    horizon = Horizon()

    async def perform(client: Any, invocation: Invocation) -> Reply:
        match invocation.f:
            case "change":
                reply: Reply = await client.change(_SPACE, invocation.value)
                horizon.note(reply)
            case "compact":
                reply = await horizon.forget(client, _SPACE, invocation.value)
            case "follow":
                reply = await client.follow(_SPACE, None, settings.watch_s)
            case _:
                back, progress = invocation.value
                start = horizon.compacted if back == _COMPACTED else horizon.back(back)
                reply = await client.follow(_SPACE, start, settings.watch_s, progress)
        return reply

    keep, compact = weights(1 - settings.compact_share, settings.compact_share)
    changes = each(lambda n, draws: _change(settings, n, draws), options.rng)
    compactions = each(lambda _n, draws: Invocation("compact", None, draws.below(4)), options.rng)
    watches = each(lambda _n, draws: _watch(settings, draws), options.rng)
    return Workload(
        name="watch",
        needs=(Revisions, Watches),
        operations=reserve(
            (following, repeat(Invocation("follow"))),
            (watching, watches),
            (changing, mix((keep, changes), (compact, compactions), rng=options.rng) if compact else changes),
        ),
        perform=perform,
        final=retrying([Invocation("watch", None, [_COMPACTED, False])], 10),
        must_hold=(WatchesAreReliable(),),
        model=None,
        functions=("change", "watch", "follow", *(("compact",) if compact else ())),
    )


watch = Choice(
    "watch", ((Revisions, Watches), of_revisions), ((Names, Notices), notices), ((Names, Polls), polls)
)
