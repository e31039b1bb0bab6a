"""What workloads over independent keys share: their settings, who works on which key, and who reads while unanswered.

A client that tries a write on a server that is frozen or cut off is lost to it: the write stays open, the client is
retired, and its session and connection with it. Then no client hears what that server says when it comes back,
which is when it may be wrong. So a part of the clients only reads from its first unanswered operation on until it is
answered again; a lost read costs nothing. The others stay as they were: writes in vain show other bugs.

See docs/decisions/paused-leaders.md.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from quorate.harness.core.outcome import ANSWERED, marked
from quorate.harness.core.workload import WorkloadOptions
from quorate.harness.generators import Context, Generator, Invocation, Offer, Step, by_key
from quorate.harness.history.event import Event, Type
from quorate.workloads.part import Count, Share, threads_for

_GOLDEN: Final = 0.6180339887498949


class KeyedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of every workload over keys."""

    ops_per_key: Annotated[
        Count, Meta(description="operations after which a key is left for a fresh one")
    ] = 200
    threads_per_key: Annotated[Count | None, Meta(description="clients that share a key")] = None
    keys: Annotated[Count | None, Meta(description="keys in all; the run ends when they are used up")] = None


class ReadingSettings(KeyedSettings, frozen=True, forbid_unknown_fields=True):
    """Of those whose keys can be read without a change."""

    patient_share: Annotated[
        Share, Meta(description="share of clients that only read while a server does not answer them")
    ] = 0.6


def on_keys(
    make: Callable[[str, Random], Generator], options: WorkloadOptions, settings: KeyedSettings
) -> Generator:
    """Return what clients do: groups of them on one key after the other, `make(key, rng)` on each."""
    keys = by_key(
        make,
        rng=options.rng,
        threads_per_key=threads_for(options.clients, settings.threads_per_key),
        operations_per_key=settings.ops_per_key,
        keys=settings.keys,
    )
    if isinstance(settings, ReadingSettings) and settings.patient_share > 0:
        return Patience(keys, settings.patient_share, options.nodes)
    return keys


class Patience(Generator, frozen=True, gc=False):
    """The child, with reads in place of what patient threads would do while `unanswered` (a bit set)."""

    child: Generator
    share: float
    nodes: int
    unanswered: int = 0

    def next(self, ctx: Context) -> Step | None:
        """Ask the child; what it decides counts as done, so that other operations stay what they are."""
        step = self.child.next(ctx)
        if step is None:
            return None
        decision, child = step
        if isinstance(decision, Offer) and self.unanswered >> decision.thread & 1:
            decision = Offer(Invocation("read", decision.invocation.key), decision.thread)
        return decision, Patience(child, self.share, self.nodes, self.unanswered)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Take note of who is answered, and update the child."""
        child, unanswered = self.child.update(ctx, event), self.unanswered
        bit = 1 << ctx.thread(event.process)
        if event.type == Type.OK or (event.error and marked(event.error, ANSWERED)):
            unanswered &= ~bit
        elif patient(ctx.thread(event.process), self.nodes, self.share):
            unanswered |= bit
        if child is self.child and unanswered == self.unanswered:
            return self
        return Patience(child, self.share, self.nodes, unanswered)


def patient(thread: int, nodes: int, share: float) -> bool:
    """Whether a thread is one of the share: the first pinned to each node first, the others spread evenly."""
    return thread // nodes * _GOLDEN % 1 < share
