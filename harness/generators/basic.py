"""Combinators that shape the stream: how many, in what order, of which kind."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection
from itertools import accumulate
from random import Random
from typing import Final

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
from quorate.harness.generators.draws import Draws, advance, output, seed_of
from quorate.harness.history.event import Event

_TRIES_MAX: Final = 10_000


class Limit(Generator, frozen=True, gc=False):
    """At most so many operations; see `limit`."""

    left: int
    child: Generator

    def next(self, ctx: Context) -> Step | None:
        """Ask the child while some are left."""
        if self.left <= 0:
            return None
        step = self.child.next(ctx)
        if step is None:
            return None
        decision, child = step
        return decision, Limit(self.left - (type(decision) is Offer), child)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the child."""
        child = self.child.update(ctx, event)
        return self if child is self.child else Limit(self.left, child)


def limit(operations: int, source: Source) -> Generator:
    """Do at most so many operations of the source."""
    return Limit(operations, generator(source))


class Only(Generator, frozen=True, gc=False):
    """Some operations of a stream, by their numbers; see `only`."""

    number: int
    kept: frozenset[int]
    last: int
    child: Generator

    def next(self, ctx: Context) -> Step | None:
        """Pass over what is not kept: the child has taken it, and it is never done."""
        number, child = self.number, self.child
        for _ in range(_TRIES_MAX):
            step = child.next(ctx) if number <= self.last else None
            if step is None:
                return None
            decision, child = step
            if type(decision) is not Offer:
                return decision, Only(number, self.kept, self.last, child)
            number += 1
            if number - 1 in self.kept:
                return decision, Only(number, self.kept, self.last, child)
            ctx.cursor = decision.thread + 1  # the threads take turns as if it had been done
        return PENDING, Only(number, self.kept, self.last, child)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the child."""
        child = self.child.update(ctx, event)
        return self if child is self.child else Only(self.number, self.kept, self.last, child)


def only(numbers: Collection[int], source: Source) -> Generator:
    """Do the operations of the source with these numbers, from 0, at the moments and with the values that they had.

    The others are drawn and never done. Generators that look at answers, or at which threads are free, may draw others.
    """
    return Only(0, frozenset(numbers), max(numbers, default=-1), generator(source))


def once(source: Source) -> Generator:
    """Do only the first operation of the source."""
    return Limit(1, generator(source))


class Repeat(Generator, frozen=True, gc=False):
    """The same again and again; see `repeat`."""

    child: Generator

    def next(self, ctx: Context) -> Step | None:
        """Ask the child, and keep it as it was once it has offered."""
        step = self.child.next(ctx)
        if step is None:
            return None
        decision, child = step
        return decision, self if type(decision) is Offer else Repeat(child)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the child."""
        child = self.child.update(ctx, event)
        return self if child is self.child else Repeat(child)


class Always(Generator, frozen=True, gc=False):
    """One invocation for ever: what `repeat` makes of an `Invocation`, without the way through a child."""

    invocation: Invocation

    def next(self, ctx: Context) -> Step | None:
        """Offer it to a free thread."""
        return Offer(self.invocation, ctx.pick()), self


def repeat(source: Source, times: int | None = None) -> Generator:
    """Do the first operation of the source again and again (`times`: so often), without ever moving on in it."""
    endless = Always(source) if isinstance(source, Invocation) else Repeat(generator(source))
    return endless if times is None else Limit(times, endless)


class Cycle(Generator, frozen=True, gc=False):
    """From the start again when exhausted; see `cycle`."""

    original: Generator
    current: Generator
    rounds: int | None

    def next(self, ctx: Context) -> Step | None:
        """Ask, and begin anew where that is exhausted; a source that is empty from the start ends at once."""
        step = self.current.next(ctx)
        if step is not None:
            return step[0], Cycle(self.original, step[1], self.rounds)
        rounds = None if self.rounds is None else self.rounds - 1
        if rounds is not None and rounds <= 0:
            return None
        step = self.original.next(ctx)
        return None if step is None else (step[0], Cycle(self.original, step[1], rounds))

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the current round."""
        current = self.current.update(ctx, event)
        return self if current is self.current else Cycle(self.original, current, self.rounds)


def cycle(source: Source, rounds: int | None = None) -> Generator:
    """Begin the source anew each time it is exhausted, at most `rounds` times in all."""
    child = generator(source)
    if rounds is not None and rounds <= 0:
        return EXHAUSTED
    return Cycle(child, child, rounds)


class FlipFlop(Generator, frozen=True, gc=False):
    """One of this, one of that; see `flip_flop`."""

    turn: Generator
    other: Generator

    def next(self, ctx: Context) -> Step | None:
        """Ask whose turn it is; an operation passes the turn on."""
        step = self.turn.next(ctx)
        if step is None:
            return None
        decision, child = step
        if type(decision) is Offer:
            return decision, FlipFlop(self.other, child)
        return decision, FlipFlop(child, self.other)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update both."""
        turn, other = self.turn.update(ctx, event), self.other.update(ctx, event)
        return self if turn is self.turn and other is self.other else FlipFlop(turn, other)


def flip_flop(one: Source, other: Source) -> Generator:
    """Alternate: an operation of the one, an operation of the other, until whose turn it is has no more."""
    return FlipFlop(generator(one), generator(other))


Maker = Callable[[int, Draws], Invocation | None]


class Each(Generator, frozen=True, gc=False):
    """Operations made by a function; see `each`."""

    make: Maker
    seed: int
    n: int

    def next(self, ctx: Context) -> Step | None:
        """Call the function for the n-th operation."""
        try:
            invocation = self.make(self.n, Draws(self.seed, self.n))
        except Exception as error:
            raise blame(self, ctx, error) from error
        if invocation is None:
            return None
        return Offer(invocation, ctx.pick()), Each(self.make, self.seed, self.n + 1)


def each(make: Maker, rng: Random | None = None) -> Generator:
    """Make the n-th operation with `make(n, draws)`, from n = 0 until it returns None.

    `make` must be pure: it may be called more than once for the same n, with equal `draws`.
    """
    return Each(make, 0 if rng is None else seed_of(rng), 0)


class Mix(Generator, frozen=True, gc=False):
    """A weighted random choice before every operation; see `mix`."""

    members: tuple[Generator, ...]
    bounds: tuple[int, ...]
    state: int

    def next(self, ctx: Context) -> Step | None:
        """Ask the member that was drawn; where it is pending, the others in turn, so that no thread stalls."""
        members = self.members
        chosen = bisect_right(self.bounds, output(self.state) * self.bounds[-1] >> 32)
        step = members[chosen].next(ctx)
        if step is None:
            rest = self._without(chosen)
            return None if rest is None else rest.next(ctx)
        decision, child = step
        if type(decision) is Offer:
            if child is not members[chosen]:
                members = (*members[:chosen], child, *members[chosen + 1 :])
            return decision, Mix(members, self.bounds, advance(self.state))
        return self._ask_others(ctx, chosen, step)

    def _ask_others(self, ctx: Context, chosen: int, step: Step) -> Step:
        members = (*self.members[:chosen], step[1], *self.members[chosen + 1 :])
        until = step[0].until_ns if isinstance(step[0], Pending) else None
        for ahead in range(1, len(members)):
            i = (chosen + ahead) % len(members)
            found = members[i].next(ctx)
            if found is None:
                continue
            decision, child = found
            members = (*members[:i], child, *members[i + 1 :])
            if isinstance(decision, Offer):
                return decision, Mix(members, self.bounds, advance(self.state))
            until = soonest(until, decision.until_ns)
        return PENDING if until is None else Pending(until), Mix(members, self.bounds, self.state)

    def _without(self, gone: int) -> Mix | None:
        weights = [high - low for low, high in zip((0, *self.bounds), self.bounds, strict=False)]
        del weights[gone]
        if not weights:
            return None
        return Mix(
            (*self.members[:gone], *self.members[gone + 1 :]), tuple(accumulate(weights)), advance(self.state)
        )

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update every member."""
        members = self.members
        for i, member in enumerate(members):
            told = member.update(ctx, event)
            if told is not member:
                members = (*members[:i], told, *members[i + 1 :])
        return self if members is self.members else Mix(members, self.bounds, self.state)


def mix(*weighted: tuple[int, Source], rng: Random) -> Generator:
    """Draw before each operation which source makes it: `mix((5, reads), (3, writes), rng=rng)`.

    A source is left out once it is exhausted; so write `repeat(read)` for a bare `Invocation`. Weights are integers;
    a source of weight 0 is never asked.
    """
    if any(weight < 0 for weight, _ in weighted):
        raise GeneratorError(f"mix: weights must not be negative: {[weight for weight, _ in weighted]}")
    used = [(weight, generator(source)) for weight, source in weighted if weight]
    if not used:
        return EXHAUSTED
    return Mix(
        tuple(child for _, child in used), tuple(accumulate(weight for weight, _ in used)), seed_of(rng)
    )


class Mapped(Generator, frozen=True, gc=False):
    """Operations changed by a function; see `mapped`."""

    change: Callable[[Invocation], Invocation]
    restore: Callable[[Event], Event] | None
    child: Generator

    def next(self, ctx: Context) -> Step | None:
        """Ask the child and change what it offers."""
        step = self.child.next(ctx)
        if step is None:
            return None
        decision, child = step
        if isinstance(decision, Offer):
            try:
                decision = Offer(self.change(decision.invocation), decision.thread)
            except Exception as error:
                raise blame(self, ctx, error) from error
        return decision, Mapped(self.change, self.restore, child)

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the child, in its own words."""
        try:
            told = event if self.restore is None else self.restore(event)
        except Exception as error:
            raise blame(self, ctx, error) from error
        child = self.child.update(ctx, told)
        return self if child is self.child else Mapped(self.change, self.restore, child)


def mapped(
    change: Callable[[Invocation], Invocation],
    source: Source,
    restore: Callable[[Event], Event] | None = None,
) -> Generator:
    """Change every operation of the source with a pure function.

    `restore` undoes the change on completions before the source sees them; a source that knows its operations
    again by their key or function (`by_key`, `reactive`) needs it.
    """
    return Mapped(change, restore, generator(source))


class Filtered(Generator, frozen=True, gc=False):
    """Only operations that pass a test; see `filtered`."""

    passes: Callable[[Invocation], bool]
    child: Generator

    def next(self, ctx: Context) -> Step | None:
        """Ask the child until it offers one that passes."""
        child = self.child
        for _ in range(_TRIES_MAX):
            step = child.next(ctx)
            if step is None:
                return None
            decision, child = step
            try:
                good = not isinstance(decision, Offer) or self.passes(decision.invocation)
            except Exception as error:
                raise blame(self, ctx, error) from error
            if good:
                return decision, Filtered(self.passes, child)
        raise blame(self, ctx, GeneratorError(f"filtered: {_TRIES_MAX} operations in a row did not pass"))

    def update(self, ctx: Context, event: Event) -> Generator:
        """Update the child."""
        child = self.child.update(ctx, event)
        return self if child is self.child else Filtered(self.passes, child)


def filtered(passes: Callable[[Invocation], bool], source: Source) -> Generator:
    """Leave out the operations of the source that do not pass; it is an error if 10,000 in a row do not."""
    return Filtered(passes, generator(source))
