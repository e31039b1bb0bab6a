"""Keys in groups of threads: many short histories instead of one long one (jepsen.independent).

Checking a history costs more than its length, and a key that few threads touch shows nothing. So the threads form
groups, each group works together on one key, and leaves it for a fresh one after a number of operations.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TypeAlias

import msgspec

from quorate.harness.generators import slots
from quorate.harness.generators.core import (
    EXHAUSTED,
    PENDING,
    Context,
    Generator,
    GeneratorError,
    Invocation,
    Offer,
    Pending,
    Source,
    Step,
    blame,
    generator,
    soonest,
)
from quorate.harness.generators.draws import seed_of
from quorate.harness.history.event import Event

Factory: TypeAlias = Callable[[str, Random], Source]


class KeyPlan(msgspec.Struct, frozen=True):
    """What does not change: how keys are named and made, and how many there may be."""

    make: Factory
    seed: int
    threads_per_key: int
    operations_per_key: int
    keys: int | None
    prefix: str

    def key(self, n: int) -> str:
        """Return the n-th key's name."""
        return f"{self.prefix}{n}"


class Group(msgspec.Struct, frozen=True, gc=False):
    """A group of threads at work on its n-th key: what is left to do on it."""

    n: int
    key: str
    left: int
    child: Generator


class Formation(msgspec.Struct, frozen=True):
    """Who works together: `masks[i]` are the threads of group i, `base` the first thread, `members` how many."""

    base: int
    members: int
    masks: tuple[int, ...]

    def group_of(self, thread: int) -> int:
        """Return the group that a thread works in."""
        return (thread - self.base) * len(self.masks) // self.members


class ByKey(Generator, frozen=True, gc=False):
    """Groups of threads, each on its own key; see `by_key`. `ended` are threads with nothing more to do."""

    plan: KeyPlan
    formation: Formation | None = None
    groups: slots.Slots[Group | None] = ()
    ended: int = 0

    def next(self, ctx: Context) -> Step | None:
        """Ask the group of a free thread, from the cursor on, until one offers; O(1) where groups are not pending.

        This is on the way of most operations, so it narrows the context in place instead of copying it.
        """
        formation = self.formation or self.formed(ctx)
        groups, ended, until = self.groups or slots.filled(len(formation.masks), None), self.ended, None
        free, everyone = ctx.free, ctx.everyone
        asked = free & ~ended
        while asked:
            ctx.free = asked
            i = formation.group_of(ctx.pick())
            mask = formation.masks[i]
            ctx.free, ctx.everyone = free & mask, everyone & mask
            group, step = self.ask(slots.get(groups, i), i, len(formation.masks), ctx)
            ctx.free, ctx.everyone = free, everyone
            asked &= ~mask
            if group is None or step is None:
                ended |= mask
                continue
            decision, child = step
            if isinstance(decision, Offer):
                groups = slots.put(groups, i, Group(group.n, group.key, group.left - 1, child))
                wanted = decision.invocation
                offer = Offer(Invocation(wanted.f, group.key, wanted.value), decision.thread)
                return offer, ByKey(self.plan, formation, groups, ended)
            groups = slots.put(groups, i, Group(group.n, group.key, group.left, child))
            until = soonest(until, decision.until_ns)
        if not everyone & ~ended:
            return None
        return PENDING if until is None else Pending(until), ByKey(self.plan, formation, groups, ended)

    def formed(self, ctx: Context) -> Formation:
        """Return the groups: as even as can be, none smaller than asked for unless there is only one."""
        base = (ctx.everyone & -ctx.everyone).bit_length() - 1
        members = ctx.everyone.bit_count()
        if ctx.everyone >> base != (1 << members) - 1:
            raise blame(self, ctx, GeneratorError("by_key needs a contiguous block of threads (see reserve)"))
        count = max(1, members // self.plan.threads_per_key)
        masks = [0] * count
        for thread in range(members):
            masks[thread * count // members] |= 1 << (base + thread)
        return Formation(base, members, tuple(masks))

    def ask(self, group: Group | None, i: int, count: int, ctx: Context) -> tuple[Group | None, Step | None]:
        """Ask a group's generator, moving on to its next key where this one is done; (None, None): no more keys.

        Group i of `count` takes the keys i, i + count, …: which group does which key does not depend on speed.
        """
        empty_keys_max = 1000
        for _ in range(empty_keys_max):
            if group is None or group.left <= 0:
                group = self.begin(ctx, i if group is None else group.n + count)
                if group is None:
                    return None, None
            step = group.child.next(ctx)
            if step is not None:
                return group, step
            group = Group(group.n, group.key, 0, EXHAUSTED)
        raise blame(self, ctx, GeneratorError(f"by_key: {empty_keys_max} keys in a row had no operation"))

    def begin(self, ctx: Context, n: int) -> Group | None:
        """Return the n-th key, not yet worked on, or None where there is none."""
        plan = self.plan
        if plan.keys is not None and n >= plan.keys:
            return None
        key = plan.key(n)
        try:
            child = generator(plan.make(key, Random(f"{plan.seed}/{n}")))
        except Exception as error:
            raise blame(self, ctx, error) from error
        return Group(n, key, plan.operations_per_key, child)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the group of the thread that did it, unless it has left that key."""
        formation = self.formation
        if formation is None:
            return self
        thread = ctx.thread(event.process)
        if not ctx.everyone >> thread & 1:
            return self
        i = formation.group_of(thread)
        group = slots.get(self.groups, i)
        if group is None or group.key != event.key:
            return self
        child = group.child.update(ctx, event)
        if child is group.child:
            return self
        groups = slots.put(self.groups, i, Group(group.n, group.key, group.left, child))
        return ByKey(self.plan, formation, groups, self.ended)


def by_key(
    make: Factory,
    *,
    rng: Random,
    threads_per_key: int,
    operations_per_key: int,
    keys: int | None = None,
    prefix: str = "k",
) -> Generator:
    """Work on keys in groups of threads; `make(key, rng)` returns what a group does on one key.

    Its operations get the key filled in. There are as many groups as have `threads_per_key` threads (at least one); a
    group leaves its key after `operations_per_key` operations, or when its generator is exhausted, and takes a fresh
    one; `keys` limits how many keys there are in all. Each key's `rng` depends only on the seed and the key, so each
    key sees the same stream of operations however fast the groups are.
    """
    if threads_per_key < 1 or operations_per_key < 1:
        raise GeneratorError(f"by_key: {threads_per_key=} and {operations_per_key=} must be at least 1")
    return ByKey(KeyPlan(make, seed_of(rng), threads_per_key, operations_per_key, keys, prefix))
