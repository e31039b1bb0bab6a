"""Long polls: standing queries on one name or on all, each from the index that the one before it returned.

Sees: changes that a poll never reports though it waits, states that are old or were never, one index with two
states, an index below what it shows. What lies between two answers may be skipped (documented).
Cannot see: how late an answer is while faults last; what stale reads show, but for values that were never written.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from quorate.checkers.polls import SLACK_S, PollsTellTheState
from quorate.harness.core.capabilities import Names, Polls
from quorate.harness.core.outcome import Reply
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import Invocation, per_thread, phases, repeat, reserve, retrying, sleep
from quorate.workloads.names import changes, names_of, watching
from quorate.workloads.part import Count, Share, workload

_SPACE: Final = "polls"
_TRIES: Final = 10


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the polls workload."""

    names: Annotated[Count, Meta(description="how many names are in use")] = 8
    delete_share: Annotated[Share, Meta(description="share of changes that delete")] = 0.3
    one_share: Annotated[Share, Meta(description="share of pollers that ask for one name, not for all")] = 0.5
    wait_s: Annotated[Count, Meta(description="how long a query waits for a change, in seconds")] = 30
    watch_ms: Annotated[Count, Meta(description="how long a poller waits before it is read")] = 200


@workload("polls", Settings)
def polls(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the polls workload."""
    polling = watching("polls", options)
    one = round(settings.one_share * polling)
    seconds = settings.watch_ms / 1000

    async def perform(client: Any, invocation: Invocation) -> Reply:
        name, value = invocation.key, invocation.value
        if invocation.f == "set":
            reply: Reply = await client.set_name(_SPACE, name, value)
        else:
            # Another wait makes it another query than those that were asked while things were broken.
            wait_s = settings.wait_s + (value == "fresh")
            reply = await client.poll(_SPACE, name, wait_s, seconds)
        return reply

    names = names_of(settings.names)
    singles = [(1, repeat(Invocation("poll", names[number % len(names)]))) for number in range(one)]
    everything = [(polling - one, repeat(Invocation("poll")))] if polling > one else []
    everyone = per_thread(retrying([Invocation("poll", None, "fresh")], _TRIES))
    # Nothing changes after these, so that whoever misses them is found.
    last = retrying([Invocation("set", name, -1 - number) for number, name in enumerate(names)], _TRIES)
    return Workload(
        name="polls",
        needs=(Names, Polls),
        operations=reserve(
            *singles, *everything, rest=changes(options, settings.names, settings.delete_share)
        ),
        perform=perform,
        final=phases(everyone, last, sleep(SLACK_S + 1), everyone),
        must_hold=(PollsTellTheState(),),
        model=None,
        functions=("set", "poll"),
    )
