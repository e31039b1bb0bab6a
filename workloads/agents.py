"""Agents: services are registered with the agents of servers, and both their lists and the catalogue are looked at.

Sees: services that an agent acknowledged and forgot, also over a kill, or has though they were deregistered; services
in the catalogue that were never registered. A catalogue that never comes up to its agents leaves the run undecided.
Cannot see: how late the catalogue is (eventual, without a bound that is documented), checks and their states.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from quorate.checkers.agents import AgentsAreAuthoritative
from quorate.harness.core.capabilities import Agents
from quorate.harness.core.outcome import Refused, Reply
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import Draws, Invocation, each, mix, per_thread, repeat, retrying
from quorate.workloads.part import Count, Share, weights, workload

_SPACE: Final = "agents"
_SETTLE_TRIES: Final = 100
_PAUSE_S: Final = 0.5


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the agents workload."""

    names: Annotated[Count, Meta(description="services of each agent")] = 5
    delete_share: Annotated[Share, Meta(description="share of announcements that take a service back")] = 0.3
    read_share: Annotated[Share, Meta(description="share of operations that look at both lists")] = 0.5


@workload("agents", Settings)
def agents(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the agents workload."""

    async def perform(client: Any, invocation: Invocation) -> Reply:
        if invocation.f == "announce":
            reply: Reply = await client.announce(_SPACE, invocation.key, invocation.value)
            return reply
        reply = await client.compare(_SPACE)
        if invocation.f == "settle" and reply.value["agent"] != reply.value["catalog"]:
            await asyncio.sleep(_PAUSE_S)
            raise Refused("unsettled", "the catalogue has not come up to the agent", seen=reply.value)
        return reply

    def announce(n: int, draws: Draws) -> Invocation:
        value = None if draws.chance(settings.delete_share) else n + 1
        return Invocation("announce", f"s{draws.below(settings.names)}", value)

    look, change = weights(settings.read_share, 1 - settings.read_share)
    changes = each(announce, options.rng)
    return Workload(
        name="agents",
        needs=(Agents,),
        operations=mix((look, repeat(Invocation("compare"))), (change, changes), rng=options.rng),
        perform=perform,
        final=per_thread(retrying([Invocation("settle")], _SETTLE_TRIES)),
        must_hold=(AgentsAreAuthoritative(),),
        model=None,
        functions=("announce", "compare"),
    )
