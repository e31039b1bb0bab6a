"""Objects as Kubernetes keeps them: guarded puts and deletes, lists in pages at one revision, watches from there on.

Sees: lists that are not snapshots (torn between pages, stale, wrong about the past), guards not kept, changes
refused and made, made twice or by no client, revisions that go backwards, and all that watch sees.
Cannot see: how late a watch is, leases on objects. A third of the clients, at most one a node, follow all changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from quorate.checkers.only import Only
from quorate.checkers.snapshots import ListsAreSnapshots
from quorate.checkers.versions import VersionsNeverRegress
from quorate.checkers.watches import WatchesAreReliable
from quorate.harness.core.capabilities import Objects, Revisions, Watches
from quorate.harness.core.outcome import UNASKED, Refused, Reply
from quorate.harness.core.test import UsageError
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import Draws, Invocation, each, mix, repeat, reserve, retrying
from quorate.workloads.part import Count, Share, weights, workload
from quorate.workloads.revised import Compacts, Horizon, RevisedSettings, enough_clients

_SPACE = "kubernetes"


class Settings(RevisedSettings, frozen=True, forbid_unknown_fields=True):
    """Settings of the kubernetes workload: API servers delete and compact less than `watch` does."""

    names: Annotated[Count, Meta(description="objects in use")] = 12
    delete_share: Annotated[Share, Meta(description="share of changes that delete")] = 0.15
    compact_share: Compacts = 0.005
    list_share: Annotated[Share, Meta(description="share of operations that list all objects now")] = 0.25
    past_share: Annotated[Share, Meta(description="share of operations that list the past")] = 0.1
    watch_share: Annotated[
        Share, Meta(description="share of operations that watch from the latest list on")
    ] = 0.05
    page: Annotated[int, Meta(ge=0, le=10_000, description="objects in a page of a list; 0: no pages")] = 5


class Cache:
    """What clients have learnt: the latest revision of each object, as an informer of Kubernetes holds it."""

    def __init__(self) -> None:
        self.horizon = Horizon()
        self.listed = 1  # the revision of the latest list: where watches resume
        self._known: dict[
            str, tuple[int, bool]
        ] = {}  # the revision of what was seen, and whether the object was there

    def guard(self, name: str) -> int:
        """The revision to compare with; 0 where the object is not known to be there."""
        revision, there = self._known.get(name, (0, False))
        return revision if there else 0

    def learn(self, name: str, revision: int, *, there: bool) -> None:
        """Take note of an object, unless something newer is known."""
        if revision > self._known.get(name, (0, False))[0]:
            self._known[name] = (revision, there)

    def learn_list(self, at: int, objects: Sequence[Sequence[Any]]) -> None:
        """Take note of a list; an object that it does not hold was not there at its revision."""
        self.listed = max(self.listed, at)
        for name, _, revision in objects:
            self.learn(name, revision, there=True)
        for name in set(self._known) - {name for name, _, _ in objects}:
            self.learn(name, at, there=False)


async def _change(client: Objects, invocation: Invocation, cache: Cache) -> Reply:
    """Put or delete under the guard of what is known; a refusal teaches what there is."""
    name: str = invocation.key
    guard = cache.guard(name)
    if invocation.f == "delete" and not guard:
        raise Refused("not-found", "nothing is known to delete", answer=UNASKED)
    try:
        reply = await client.replace(_SPACE, name, invocation.value, guard)
    except Refused as error:
        if error.code == "conflict" and error.version is not None:
            _, revision = error.seen
            cache.learn(name, revision or error.version, there=bool(revision))
        raise
    cache.learn(name, reply.version or 0, there=invocation.value is not None)
    return reply


async def _list(client: Objects, back: int | None, cache: Cache, page: int) -> Reply:
    revision = None if back is None else cache.horizon.back(back)
    reply = await client.listing(_SPACE, revision, page)
    if back is None:
        cache.learn_list(reply.value["at"], reply.value["objects"])
    return reply


def _operations(settings: Settings, n: int, draws: Draws) -> Invocation:
    """The n-th operation of those who change and list."""
    drawn = draws.bits() / 2**32
    if drawn < settings.list_share:
        return Invocation("list")
    if drawn < settings.list_share + settings.past_share:
        return Invocation("list", None, draws.below(settings.span))
    if drawn < settings.list_share + settings.past_share + settings.watch_share:
        return Invocation("watch")
    name = f"object{draws.below(settings.names)}"
    if draws.chance(settings.delete_share):
        return Invocation("delete", name)
    return Invocation("put", name, n + 1)


@workload("kubernetes", Settings)
def kubernetes(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the kubernetes workload."""
    enough_clients("kubernetes", options)
    if settings.list_share + settings.past_share + settings.watch_share >= 1:
        raise UsageError(
            "workload kubernetes: list_share, past_share and watch_share leave nothing to change objects"
        )
    following = min(options.nodes, options.clients // 3)
    cache = Cache()

    async def perform(client: Any, invocation: Invocation) -> Reply:
        match invocation.f:
            case "put" | "delete":
                reply = await _change(client, invocation, cache)
            case "list":
                reply = await _list(client, invocation.value, cache, settings.page)
            case "compact":
                reply = await cache.horizon.forget(client, _SPACE, invocation.value)
            case "follow":
                reply = await client.follow(_SPACE, None, settings.watch_s)
            case _:
                reply = await client.follow(_SPACE, cache.listed + 1, settings.watch_s)
        cache.horizon.note(reply)
        return reply

    keep, compact = weights(1 - settings.compact_share, settings.compact_share)
    main = each(lambda n, draws: _operations(settings, n, draws), options.rng)
    compactions = each(lambda _n, draws: Invocation("compact", None, draws.below(settings.span)), options.rng)
    return Workload(
        name="kubernetes",
        needs=(Objects, Watches, Revisions),
        operations=reserve(
            (following, repeat(Invocation("follow"))),
            rest=mix((keep, main), (compact, compactions), rng=options.rng) if compact else main,
        ),
        perform=perform,
        final=retrying([Invocation("list")], 10),
        must_hold=(
            ListsAreSnapshots(),
            WatchesAreReliable(),
            # A list that may be stale is a state that was, which `ListsAreSnapshots` holds it to.
            Only(
                ("put", "delete", *([] if options.weak else ["list"])), VersionsNeverRegress(scope="global")
            ),
        ),
        model=None,
        functions=("put", "list", "follow", *(("delete",) if settings.delete_share else ())),
    )
