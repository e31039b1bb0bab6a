"""Watch events: watchers learn that names changed and read what they are now, by persistent and one-shot watches.

Sees: notices that are lost, sent twice, out of order, of nothing, or after an answer that shows the change already;
reads behind their own state. One-shot watches miss what happens before they are set again (documented, no anomaly).
Cannot see: how late a notice is (delivery is eventual), notices lost with their connection, watches on children.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from quorate.checkers.notices import NoticesAreReliable
from quorate.harness.core.capabilities import Names, Notices
from quorate.harness.core.outcome import Reply
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import Invocation, per_thread, repeat, reserve, retrying
from quorate.workloads.names import changes, names_of, watching
from quorate.workloads.part import Count, Share, workload

_SPACE: Final = "notices"
_TRIES: Final = 10


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the notices workload."""

    names: Annotated[Count, Meta(description="how many names are in use")] = 8
    delete_share: Annotated[Share, Meta(description="share of changes that delete")] = 0.3
    once_share: Annotated[
        Share, Meta(description="share of watchers with one-shot watches; all where the service has no other")
    ] = 0.5
    watch_ms: Annotated[Count, Meta(description="how long a watcher listens before it is read")] = 200


@workload("notices", Settings)
def notices(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the notices workload."""
    listening = watching("notices", options)
    once = round(settings.once_share * listening)
    names, seconds = names_of(settings.names), settings.watch_ms / 1000

    async def perform(client: Any, invocation: Invocation) -> Reply:
        if invocation.f == "set":
            reply: Reply = await client.set_name(_SPACE, invocation.key, invocation.value)
        else:
            reply = await client.heed(_SPACE, names, seconds, invocation.value == "once")
        return reply

    once_ones, standing = Invocation("heed", None, "once"), Invocation("heed", None, "for good")
    blocks = [(once, repeat(once_ones)), (listening - once, repeat(standing))]
    return Workload(
        name="notices",
        needs=(Names, Notices),
        operations=reserve(
            *((count, source) for count, source in blocks if count),
            rest=changes(options, settings.names, settings.delete_share),
        ),
        perform=perform,
        final=per_thread(retrying([standing], _TRIES)),
        must_hold=(NoticesAreReliable(),),
        model=None,
        functions=("set", "heed"),
    )
