"""What workloads on revisions with watches have in common: their settings, and how far the service has come."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from quorate.harness.core.capabilities import Revisions
from quorate.harness.core.outcome import Reply
from quorate.harness.core.test import UsageError
from quorate.harness.core.workload import WorkloadOptions
from quorate.workloads.part import Count, Share

Compacts: TypeAlias = Annotated[
    Share, Meta(description="share of what is done beside watching that compacts")
]


class RevisedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of workloads that change names, forget the past and watch."""

    names: Annotated[Count, Meta(description="how many names are in use")] = 10
    delete_share: Annotated[Share, Meta(description="share of changes that delete")] = 0.4
    compact_share: Compacts = 0.02
    span: Annotated[Count, Meta(description="how many revisions back the past reaches")] = 100
    watch_ms: Annotated[Count, Meta(description="how long a short watch lasts")] = 200

    @property
    def watch_s(self) -> float:
        """The same in seconds."""
        return self.watch_ms / 1000


class Horizon:
    """The highest revisions that replies carried: of the service, and of what it has forgotten."""

    def __init__(self) -> None:
        self.latest = 1
        self.compacted = 1

    def note(self, reply: Reply) -> None:
        """Take note of a reply."""
        self.latest = max(self.latest, reply.version or 0)

    def back(self, revisions: int) -> int:
        """A revision so far back."""
        return max(1, self.latest - revisions)

    async def forget(self, client: Revisions, space: str, keep: int) -> Reply:
        """Compact all but the last so many revisions."""
        revision = max(self.compacted, self.latest - keep)
        reply = await client.forget(space, revision)
        self.compacted = max(self.compacted, revision)
        return reply


def enough_clients(workload: str, options: WorkloadOptions) -> None:
    """Raise `UsageError` where too few clients are left to follow, to watch and to change."""
    least = 3
    if options.clients < least:
        raise UsageError(f"workload {workload}: give at least {least} clients")
