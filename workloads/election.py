"""Elections: candidates campaign, lead, speak and resign; observers ask who leads. One leader at a time, in order.

Sees: terms that overlap by the service's own word, tokens that go backwards or come twice, observers who see a
leader of the past, elections that no client can win in the end. Cannot see: a client that still believes that it leads
(documented everywhere: that is what the token is for), leaderless time, fairness among candidates.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from quorate.checkers.elections import OneLeaderAtATime
from quorate.harness.core.capabilities import Elections
from quorate.harness.core.outcome import Reply
from quorate.harness.core.test import UsageError
from quorate.harness.core.workload import Workload, WorkloadOptions
from quorate.harness.generators import (
    Context,
    Draws,
    Generator,
    Invocation,
    Offer,
    Step,
    each,
    per_process,
    reserve,
    retrying,
)
from quorate.harness.history.event import Event, Type
from quorate.workloads.part import Count, not_due, workload

_TRIES: Final = 40  # a candidate that was cut off is in the way until its session has ended
_PAUSE_NS: Final = 20_000_000
_NS_PER_MS: Final = 1_000_000
_LEAST: Final = 3


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the election workload."""

    candidates_per_key: Annotated[Count, Meta(description="candidates that compete in one election")] = 3
    proclaims: Annotated[Count, Meta(description="how often a leader speaks before it resigns")] = 3
    speak_ms: Annotated[Count, Meta(description="how long a leader is silent before it speaks again")] = 20


class Candidate(Generator, frozen=True, gc=False):
    """What one process does: `idle`, `asking` while an operation is under way, `leading` with `left` words to say."""

    settings: Settings
    elections: int
    state: str = "idle"
    left: int = 0
    due_ns: int = 0
    count: int = 0

    def next(self, ctx: Context) -> Step | None:
        """Offer what is due."""
        if (step := not_due(self, ctx, self.state, self.due_ns)) is not None:
            return step
        thread = ctx.pick()
        key, value = f"e{thread % self.elections}", f"p{ctx.process(thread)}-{self.count}"
        f = "campaign" if self.state == "idle" else "proclaim" if self.left else "resign"
        asking = msgspec.structs.replace(self, state="asking", count=self.count + 1)
        return Offer(Invocation(f, key, None if f == "resign" else value), thread), asking

    def update(self, ctx: Context, event: Event) -> Generator:
        """Follow the candidate; one whose operation has no answer is retired with its session."""
        del ctx
        done, speak_ns = event.type == Type.OK, self.settings.speak_ms * _NS_PER_MS
        lost = event.error is not None and event.error[0] == "not-elected"
        match event.f:
            case "campaign" if done:
                state, left, pause_ns = "leading", self.settings.proclaims, speak_ns
            case "proclaim" if not lost:
                state, left, pause_ns = "leading", self.left - done, speak_ns
            case "resign" if not (done or lost):  # it leads still
                state, left, pause_ns = "leading", 0, speak_ns
            case _:
                state, left, pause_ns = "idle", 0, _PAUSE_NS
        return msgspec.structs.replace(self, state=state, left=left, due_ns=event.time + pause_ns)


@workload("election", Settings)
def election(options: WorkloadOptions, settings: Settings) -> Workload:
    """Build the election workload."""
    if options.clients < _LEAST:
        raise UsageError(f"workload election: give at least {_LEAST} clients")
    candidates = max(2, options.clients * 3 // 5)
    elections = max(1, candidates // settings.candidates_per_key)

    async def perform(client: Elections, invocation: Invocation) -> Reply:
        key: str = invocation.key
        match invocation.f:
            case "campaign" | "crown":
                return await client.campaign(key, invocation.value)
            case "proclaim":
                return await client.proclaim(key, invocation.value)
            case "resign":
                return await client.resign(key)
            case _:
                return await client.leader(key)

    def look(_n: int, draws: Draws) -> Invocation:
        return Invocation("leader", f"e{draws.below(elections)}")

    crowns = [Invocation("crown", f"e{number}", f"last-{number}") for number in range(elections)]
    return Workload(
        name="election",
        needs=(Elections,),
        operations=reserve(
            (candidates, per_process(Candidate(settings, elections))),
            (options.clients - candidates, each(look, options.rng)),
        ),
        perform=perform,
        final=retrying(crowns, _TRIES),
        must_hold=(OneLeaderAtATime(),),
        model=None,
        functions=("campaign", "proclaim", "resign", "leader", "crown"),
        kept_alive=True,
    )
