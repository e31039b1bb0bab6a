"""Leases: keys that live while their owner keeps them alive; owners renew, let die and revoke, observers look on.

Sees: leases lost before their time, keys that outlive their lease, ended leases that are renewed or come back, and with
`keys_per_lease` leases of which some keys are there and others not.
Cannot see: a lease that ends later than it should while faults last (its time starts anew with each leader), clocks of
servers that run wrong (they show as leases lost too early), what an owner does that does not know of its loss.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from quorate.checkers.leases import SLACK_MS, LeasesKeepTime
from quorate.checkers.whole_leases import LeasesAreWhole
from quorate.harness.core.capabilities import Leases
from quorate.harness.core.outcome import Reply
from quorate.harness.core.test import UsageError
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import (
    Context,
    Draws,
    Generator,
    Invocation,
    Offer,
    Pending,
    Step,
    any_of,
    deferred,
    per_thread,
    phases,
    repeat,
    reserve,
    retrying,
    sleep,
)
from quorate.harness.generators.draws import seed_of, spread
from quorate.harness.history.event import Event, Type
from quorate.workloads.part import Count, Share, not_due, workload

_SPACE: Final = "lease"
_LOOK: Final = Invocation("look")
_REST: Final = Invocation("rest")
_TRIES: Final = 10
_RENEWALS_PER_TTL: Final = 4
_FIRST_RENEWALS: Final = 4
_RETRY_NS: Final = 100_000_000
_NS_PER_MS: Final = 1_000_000


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the lease workload."""

    ttl_s: Annotated[Count, Meta(description="time to live asked for, in seconds")] = 4
    leases_per_owner: Annotated[Count, Meta(description="leases that each owner keeps at a time")] = 4
    renewals: Annotated[
        Count, Meta(description="renewals of a lease at most, before its owner lets it go")
    ] = 16
    revoke_share: Annotated[
        Share, Meta(description="share of leases that are revoked; the others are let die")
    ] = 0.4
    keys_per_lease: Annotated[
        int, Meta(ge=1, le=20, description="keys that each lease keeps, which come and go together")
    ] = 1


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What all lives have in common."""

    seed: int
    settings: Settings
    slot: int


class Life(Generator, frozen=True, gc=False):
    """One lease after the other: granted, renewed, let go, and tried once more when it should be gone.

    `state` is `idle`, `kept`, `over`, or `asking` while an operation is under way; nothing is done before `due_ns`.
    """

    plan: Plan
    number: int = 0
    name: str = ""
    state: str = "idle"
    lease: Any = None
    ttl_ns: int = 0
    left: int = 0
    due_ns: int = 0

    def next(self, ctx: Context) -> Step | None:
        """Offer what is due."""
        if (step := not_due(self, ctx, self.state, self.due_ns)) is not None:
            return step
        thread = ctx.pick()
        draws = Draws(spread(self.plan.seed, thread), self.plan.slot << 32 | self.number)
        match self.state:
            case "idle":
                name = f"l{thread}-{self.plan.slot}-{self.number}"
                # The first of each slot are short, so that short runs see leases revoked and let die too.
                renewals = self.plan.settings.renewals
                left = 1 + draws.below(renewals if self.number else min(renewals, _FIRST_RENEWALS))
                offer = Invocation("grant", name, self.plan.settings.ttl_s)
                life = Life(self.plan, self.number + 1, name, "asking", left=left)
                return Offer(offer, thread), life
            case "kept" if self.left == 0:
                draws.below(2)
                if not draws.chance(self.plan.settings.revoke_share):
                    # Twice its time and a bit: by then even a service that is late has ended it, mostly.
                    late = ctx.time_ns + 2 * self.ttl_ns + draws.below(1000) * _NS_PER_MS
                    return Pending(late), self.then("over", late)
                return Offer(Invocation("revoke", self.name, self.lease), thread), self.then("asking", 0)
            case _:
                return Offer(Invocation("renew", self.name, self.lease), thread), self.then("asking", 0)

    def then(self, state: str, due_ns: int) -> Life:
        """Return the same life, in another state."""
        return msgspec.structs.replace(self, state=state, due_ns=due_ns)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Follow the lease; a renewal that failed is tried again soon, by whoever runs on the thread then."""
        del ctx
        if self.state != "asking" or event.key != self.name:
            return self
        done = event.type == Type.OK
        gone = event.error is not None and event.error[0] == "lease-gone"
        again = Life(self.plan, self.number, due_ns=event.time + _RETRY_NS)
        match event.f:
            case "grant" if done:
                ttl_ns = event.value["ttl_ms"] * _NS_PER_MS
                kept = msgspec.structs.replace(self, lease=event.value["lease"], ttl_ns=ttl_ns)
                return kept.then("kept", event.time + ttl_ns // _RENEWALS_PER_TTL)
            case "renew" if done and self.left > 0:
                kept = msgspec.structs.replace(self, left=self.left - 1)
                return kept.then("kept", event.time + self.ttl_ns // _RENEWALS_PER_TTL)
            case "renew" if self.left > 0 and not gone:
                return self.then("kept", event.time + _RETRY_NS)
            case "revoke" if done:
                return self.then("over", event.time + _RETRY_NS)
            case _:
                return again


def with_count(reply: Reply, keys: int) -> Reply:
    """Return a grant's answer with the number of its keys, for whoever judges the history."""
    return msgspec.structs.replace(reply, value={**reply.value, "keys": keys})


def parted(reply: Reply) -> Reply:
    """Return a look whose names are those of leases, with the keys beside them apart."""
    names = reply.value["names"]
    own = [name for name in names if "+" not in name]
    return msgspec.structs.replace(
        reply, value={**reply.value, "names": own, "beside": [name for name in names if "+" in name]}
    )


@workload("lease", Settings)
def lease(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the lease workload."""
    least = 2
    if options.clients < least:
        raise UsageError(f"workload lease: give at least {least} clients")
    owners = options.clients // 2
    grace_ms = SLACK_MS  # after the last heal until the last looks: what the longest lease may take to die

    async def perform(client: Leases, invocation: Invocation) -> Reply:
        nonlocal grace_ms
        name, value = str(invocation.key), invocation.value
        match invocation.f:
            case "grant":
                more = (settings.keys_per_lease - 1,) if settings.keys_per_lease > 1 else ()
                reply = await client.grant_key(_SPACE, name, value, *more)
                grace_ms = max(grace_ms, reply.value["ttl_ms"] + reply.value["later_ms"] + SLACK_MS)
                return with_count(reply, settings.keys_per_lease) if more else reply
            case "renew":
                return await client.renew_key(_SPACE, name, value)
            case "revoke":
                return await client.revoke_key(_SPACE, name, value)
            case _:
                reply = await client.granted_keys(_SPACE)
                return parted(reply) if settings.keys_per_lease > 1 else reply

    seed = seed_of(options.rng)
    lives = [Life(Plan(seed, settings, slot)) for slot in range(settings.leases_per_owner)]
    everyone = per_thread(retrying([_REST], _TRIES))
    return Workload(
        name="lease",
        needs=(Leases,),
        operations=reserve((owners, per_thread(any_of(*lives))), (options.clients - owners, repeat(_LOOK))),
        perform=perform,
        final=phases(everyone, deferred(lambda: sleep(grace_ms / 1000 + 1)), everyone),
        must_hold=(
            LeasesKeepTime(strict=options.strict),
            *((LeasesAreWhole(),) if settings.keys_per_lease > 1 else ()),
        ),
        model=None,
        functions=("grant", "renew", "revoke", "look", "rest"),
        kept_alive=True,
    )
